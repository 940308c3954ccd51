-- The schema that every new tenant's database starts with. This is an example: replace it with your own.
--
-- Files are named NNNN_name.sql and applied in the order of their numbers, each at most once per tenant.
-- Once tenants have a file, do not edit it: add the next one. BEGIN, COMMIT and the like are not needed,
-- since all statements of a sign-up run in one transaction.

create table notes (
  id integer primary key,
  title text not null,
  body text not null default '',
  created_at text not null default current_timestamp
);

create index notes_by_created_at on notes (created_at);

create trigger notes_title_is_not_blank
before insert on notes
when trim(new.title) = ''
begin
  select raise(abort, 'a note needs a title');
end;
