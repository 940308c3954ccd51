import fc from 'fast-check'
import Database from 'libsql'
import { describe, expect, it } from 'vitest'
import { splitStatements } from '../../local/engine/sql-script.ts'

const sqlOf = (script: string) => splitStatements(script).map((statement) => statement.sql)

describe('splitStatements', () => {
  it('drops semicolons, surrounding white space, empty statements and pieces of comments alone', () => {
    expect(sqlOf('')).toEqual([])
    expect(sqlOf(' ;;\n; -- nothing\n; /* nothing */ ;')).toEqual([])
    expect(sqlOf('select 1; select 2')).toEqual(['select 1', 'select 2'])
    expect(sqlOf('-- why\n\n  select 1 -- because\n ; /* end */')).toEqual(['select 1'])
    expect(sqlOf('\uFEFFselect 1;')).toEqual(['select 1'])
  })

  it('keeps comments between the tokens of a statement', () => {
    expect(sqlOf('select /* ; */ 1 -- ;\n, 2;')).toEqual(['select /* ; */ 1 -- ;\n, 2'])
  })

  it.each([`'a;b'`, `"a;b"`, '`a;b`', '[a;b]', `'it''s; --'`, `'";'`, `"';"`, `'/*;'`])(
    'does not split inside %s',
    (quoted) => {
      expect(sqlOf(`select ${quoted} ; select 2`)).toEqual([`select ${quoted}`, 'select 2'])
    },
  )

  it('leaves what is unterminated at the end to the last statement', () => {
    expect(sqlOf("select 1; select 'a; b")).toEqual(['select 1', "select 'a; b"])
    expect(sqlOf('select 1; /* a; b')).toEqual(['select 1'])
    expect(sqlOf('select 1 /*/ ; select 2')).toEqual(['select 1'])
    expect(sqlOf('select 1; -- a; b')).toEqual(['select 1'])
  })

  it('names the line of the first token, after the comments before it', () => {
    const script =
      'create table a (x);\r\n-- a comment\r\n\r\n/* two\nlines */ insert into a\nvalues (1);select 1'
    expect(splitStatements(script).map(({ line }) => line)).toEqual([1, 5, 6])
  })

  it.each([
    'create trigger',
    'CREATE TEMP TRIGGER',
    'create /* ; */ temporary\ntrigger',
    'explain create trigger',
  ])('keeps the body of a trigger whole: %s', (prefix) => {
    const trigger = `${prefix} t after insert on a begin
        update a set x = case when new.x > 1 then 2 else 3 end; -- end;
        insert into "end;" values (';end;');
      end`
    expect(sqlOf(`select 1;${trigger};select 2`)).toEqual(['select 1', trigger, 'select 2'])
  })

  it('takes the words of a trigger elsewhere for ordinary ones', () => {
    const script =
      'create table trigger_log (x); create index temp on a (x); select 1 as "create"; end; select 2'
    expect(sqlOf(script)).toHaveLength(5)
    expect(sqlOf('create table x (trigger); select 1')).toHaveLength(2)
    expect(sqlOf('explain query plan select 1; explain explain; select 1')).toHaveLength(3)
  })

  it('gives back the statements that were joined with comments and white space', () => {
    const tokens =
      "select end begin trigger temp explain case x 1.5 ( ) , - / * || ->> $a ünï '' 'it''s' x'00' ?1 :n"
    const quoted = ["'a;b'", '"c;"', '`d;`', '[e;]']
    const token = fc.constantFrom(...tokens.split(' '), ...quoted)
    const gap = fc.constantFrom(' ', '\n', '\t', '\r\n', ' -- ;c\n', '/*;*/', '/* a\n;b */', '\f')
    const space = fc.array(gap, { minLength: 1, maxLength: 3 }).map((gaps) => gaps.join(''))
    const plain = fc
      .array(token, { minLength: 1, maxLength: 6 })
      .chain((tokens) =>
        fc
          .array(space, { minLength: tokens.length, maxLength: tokens.length })
          .map((spaces) => tokens.map((text, index) => (index ? spaces[index] : '') + text).join('')),
      )
    const trigger = fc
      .tuple(
        fc.constantFrom('create trigger', 'CREATE\nTEMP /*;*/ Trigger'),
        fc.array(plain, { maxLength: 3 }),
        space,
      )
      .map(
        ([head, body, gapText]) =>
          `${head} t begin ${body.map((s) => `x ${s};`).join(gapText)} x; ${gapText}end`,
      )
    const padding = fc.array(fc.oneof(gap, fc.constant(';')), { maxLength: 4 }).map((parts) => parts.join(''))
    const piece = fc.tuple(space, fc.oneof(plain, trigger), space, padding)

    fc.assert(
      fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => {
        let script = ''
        const expected = pieces.map(([before, sql, after, more]) => {
          script += before
          const line = script.split('\n').length
          script += `${sql}${after};${more}`
          return { sql, line }
        })
        expect(splitStatements(script)).toEqual(expected)
      }),
      { numRuns: 500 },
    )
  })

  it('makes pieces of a script with triggers that SQLite prepares and runs one by one', () => {
    const script = `
      create table account (id integer primary key, balance integer not null, [kind;of] text default ';');
      create table audit (id integer primary key, account integer, note text) /* ; */;
      create temp trigger temp_log after insert on account begin
        select 1;
      end;
      CREATE TRIGGER log AFTER UPDATE OF balance ON account WHEN new.balance <> old.balance
      BEGIN
        -- a comment; with END;
        INSERT INTO audit (account, note) VALUES (new.id, CASE WHEN new.balance < 0 THEN 'debt;' ELSE 'ok' END);
        UPDATE audit SET note = note || CASE note WHEN 'ok' THEN '!' ELSE '?' END;
      END;
      insert into account (balance) values (1); update account set balance = -5 where id = 1;
      create view summary as select account, count(*) as "n;" from audit group by account`
    const database = new Database(':memory:')
    try {
      const statements = splitStatements(script)
      expect(statements).toHaveLength(7)
      for (const { sql } of statements) database.prepare(sql).run()
      expect(database.prepare('select note from audit').pluck().all()).toEqual(['debt;?'])
    } finally {
      database.close()
    }
  })
})
