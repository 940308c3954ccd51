/** Random sequences of what a client may ask of one connection. */
import fc, { type Arbitrary } from 'fast-check'

export type Value = null | bigint | number | string | Uint8Array

export interface Sql {
  sql: string
  args: Value[]
  /** What its answer counts: nothing, rows, or rows and the last rowid. */
  kind: 'insert' | 'change' | 'other'
  /** It is no SQL at all. */
  isNonsense?: true
}

export type Condition =
  | { type: 'ok' | 'error'; step: number }
  | { type: 'not'; cond: Condition }
  | { type: 'and' | 'or'; conds: Condition[] }
  | { type: 'is_autocommit' }

export interface Step {
  statement: Sql
  condition: Condition | undefined
}

export type Operation =
  | { type: 'execute'; statement: Sql }
  | { type: 'batch' | 'cursor'; steps: Step[] }
  | { type: 'sequence'; statements: Sql[] }
  | { type: 'describe'; statement: Sql }
  | { type: 'get_autocommit' }
  /** The stream is closed, whatever is open; the next operation opens one. */
  | { type: 'close' }

/** Run before every sequence. The insert makes `last_insert_rowid()` the same for every connection. */
export const SETUP = [
  'create table t0 (id integer primary key, a, b text, c real, d blob, e integer unique check (e <> 13), "f g" numeric)',
  'create table t1 (id integer primary key autoincrement, t0_id integer references t0 (id), x varchar(9) not null)',
  'create table log (n integer)',
  'create trigger logged after insert on t0 begin insert into log values (new.id); end',
  "insert into t0 (id, a) values (100, 'first')",
]

/** Text that SQLite and every client reads alike: no NUL, no half of a surrogate pair. */
const text = fc
  .oneof(
    fc.string({ maxLength: 12, unit: 'binary' }),
    fc.constantFrom('', "it's", '١٢', '12', '1e3', 'ünï', '😀'),
  )
  .map((value) => value.replaceAll('\0', '0'))

const float = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 1, -1.5, 2 ** 53, 1e300, 5e-324, 0.1),
)

const integer = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -3n, max: 20n }),
  fc.constantFrom(2n ** 53n, 2n ** 53n + 1n, -(2n ** 63n), 2n ** 63n - 1n),
)

const value: Arbitrary<Value> = fc.oneof(
  fc.constant(null),
  integer,
  float,
  text,
  fc.uint8Array({ maxLength: 12 }),
)

/** After the largest of them all, SQLite draws the next rowid at random. */
const key = value.filter((candidate) => candidate !== 2n ** 63n - 1n)
const id = fc.bigInt({ min: 1n, max: 6n })
const bind = (kind: Sql['kind'], sql: string, ...args: Arbitrary<Value>[]): Arbitrary<Sql> =>
  fc.tuple(...args).map((values) => ({ sql, args: values, kind }))
const oneOf = (kind: Sql['kind'], ...sql: string[]): Arbitrary<Sql> =>
  fc.constantFrom(...sql).map((text) => ({ sql: text, args: [], kind }))

const insert = fc.oneof(
  bind('insert', 'insert into t0 (a, b, c, d) values (?, ?, ?, ?)', value, value, value, value),
  bind('insert', 'insert into t0 (id, a, "f g") values (?, ?, ?)', id, value, value),
  bind('insert', 'insert into t0 (id, a) values (?, ?)', key, text),
  bind('insert', 'insert or replace into t0 (id, a, e) values (?, ?, ?)', id, value, id),
  bind('insert', 'insert or ignore into t0 (id, a) values (?, ?)', id, value),
  bind('insert', 'replace into t0 (id, e) values (?, ?)', id, integer),
  bind('insert', 'insert into t0 (e) values (?)', fc.constantFrom<Value>(13n, 1n, 2n, null)),
  bind('insert', 'insert into t0 (a, e) values (?, 1), (?, 2), (?, 3)', value, value, value),
  bind('insert', 'insert into t0 (id, a) values (?, ?) returning id, a, typeof(a)', id, value),
  bind(
    'insert',
    'insert into t0 (id, a) values (?, ?) on conflict (id) do update set a = excluded.a, b = ? returning *',
    id,
    value,
    text,
  ),
  bind('insert', 'insert into t1 (t0_id, x) values (?, ?)', id, value),
  bind('insert', 'with n(v) as (values (?), (?)) insert into t1 (x) select v from n', value, value),
  oneOf(
    'insert',
    'insert into t0 default values',
    'insert into t0 (a) select a from t0 limit 3',
    'insert into t2 values (1)',
  ),
)

const change = fc.oneof(
  bind('change', 'update t0 set a = ?, "f g" = ? where id = ?', value, value, id),
  bind('change', 'update t0 set id = ? where id = ?', key, id),
  bind('change', 'update t0 set e = coalesce(e, 0) + ? returning e, c, d', id),
  bind('change', 'delete from t0 where id = ?', id),
  bind('change', 'delete from t0 where id > ? returning id, b', id),
  oneOf('change', 'delete from log', 'delete from t1', 'update t1 set x = null', 'update t0 set nope = 1'),
)

const select = fc.oneof(
  bind('other', 'select ? as v, typeof(?1) as "type of", ? is null', value, value),
  bind('other', 'select a, quote(a), length(d), c + 0, "f g" from t0 where id >= ?', id),
  bind(
    'other',
    'select t0.*, t1.x as x2 from t0 left join t1 on t1.t0_id = t0.id where t0.a is not ?',
    value,
  ),
  bind(
    'other',
    'with recursive n(i) as (select 1 union all select i + 1 from n where i < ?) select * from n',
    id,
  ),
  bind('other', 'select abs(?)', integer),
  bind('other', 'values (?, 1), (?, 2.5)', value, value),
  oneOf(
    'other',
    'select * from t0',
    'select * from t0 order by a, b desc, id',
    'select count(*), sum(e), max(id), group_concat(id) from t0',
    'select n from log',
    'select * from v0',
    'select x, x from t1',
    'select changes(), last_insert_rowid()',
    "select name, type, sql from sqlite_schema where name not like 'sqlite_%' order by name",
    'select seq from sqlite_sequence',
    'select 1 as "", 2 as "a b", 3 as a',
    'select nope from t0',
    'select * from nowhere',
    'select 9223372036854775807 + 1, -0.0, 1e999, -1e999',
    'select 1 where false',
    'pragma table_info(t0)',
    'pragma user_version',
    'pragma foreign_keys',
    'pragma foreign_key_check',
  ),
)

const schema = oneOf(
  'other',
  'create table t2 (id integer primary key, v)',
  'create table if not exists t2 (id integer primary key, v text) strict',
  'create table t2 (k text primary key, v) without rowid',
  'drop table t2',
  'drop table if exists t2',
  'drop table t0',
  'alter table t2 add column w default 7',
  'alter table t0 rename column b to bb',
  'create index i0 on t0 (a, b)',
  'create unique index i1 on t0 (a)',
  'drop index i0',
  'create view v0 as select id, a from t0',
  'drop view v0',
  "create trigger refuse before delete on t0 when old.id = 3 begin select raise(abort, 'not this one'); end",
  "create trigger undo before insert on t1 when new.x = 'first' begin select raise(rollback, 'all undone'); end",
  'drop trigger refuse',
  'create table t0 (id)',
)

const transaction = oneOf(
  'other',
  'begin',
  'begin deferred',
  'begin immediate',
  'commit',
  'end',
  'rollback',
  'savepoint s',
  'savepoint r',
  'release s',
  'rollback to s',
  'rollback to r',
)

const nonsense: Arbitrary<Sql> = fc
  .constantFrom('selec 1', 'insert t0', 'select 1 from', 'select (1', 'create table', "select 'open")
  .map((sql) => ({ sql, args: [], kind: 'other', isNonsense: true }))

const sensible = fc.oneof(
  { arbitrary: insert, weight: 6 },
  { arbitrary: change, weight: 3 },
  { arbitrary: select, weight: 5 },
  { arbitrary: schema, weight: 3 },
  { arbitrary: transaction, weight: 4 },
)
const statement = fc.oneof({ arbitrary: sensible, weight: 20 }, { arbitrary: nonsense, weight: 1 })

/** A condition on the steps before this one. */
const conditionOf = (step: number): Arbitrary<Condition> =>
  fc.letrec<{ condition: Condition }>((tie) => {
    const leaves: Arbitrary<Condition>[] = [fc.constant({ type: 'is_autocommit' })]
    if (step > 0) {
      const type = fc.constantFrom('ok' as const, 'error' as const)
      leaves.push(fc.record({ type, step: fc.nat({ max: step - 1 }) }))
    }
    return {
      condition: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        ...leaves,
        fc.record({ type: fc.constant('not' as const), cond: tie('condition') }),
        fc.record({
          type: fc.constantFrom('and' as const, 'or' as const),
          conds: fc.array(tie('condition'), { maxLength: 3 }),
        }),
      ),
    }
  }).condition

const steps = (statements: Arbitrary<Sql>): Arbitrary<Step[]> =>
  fc.array(fc.nat({ max: 1 }), { maxLength: 6 }).chain((choices) =>
    fc.tuple(
      ...choices.map((choice, index) =>
        fc.record({
          statement: statements,
          condition: choice ? conditionOf(index) : fc.constant(undefined),
        }),
      ),
    ),
  )

// In a script, an open quote would swallow what follows.
const withoutArguments = statement.filter(({ args, sql }) => args.length === 0 && !sql.includes("'open"))

const operation: Arbitrary<Operation> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ type: fc.constant('execute' as const), statement }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('batch' as const), steps: steps(statement) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('cursor' as const), steps: steps(sensible) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('sequence' as const),
      statements: fc.array(withoutArguments, { maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('describe' as const), statement }) },
  { weight: 2, arbitrary: fc.constant({ type: 'get_autocommit' as const }) },
  { weight: 1, arbitrary: fc.constant({ type: 'close' as const }) },
)

/** Requests, each with the operations that go out together. */
export const requests: Arbitrary<Operation[][]> = fc.array(
  fc.array(operation, { minLength: 1, maxLength: 4 }),
  {
    minLength: 1,
    maxLength: 6,
  },
)

/** Sequences that once had other outcomes. */
export const REGRESSIONS: [Operation[][]][] = [
  // Dropping a table that others refer to deletes its rows first, on a connection that another stream has used.
  [
    [
      [{ type: 'close' }],
      [
        { type: 'execute', statement: { sql: 'drop table t0', args: [], kind: 'other' } },
        {
          type: 'execute',
          statement: { sql: 'select changes(), last_insert_rowid()', args: [], kind: 'other' },
        },
      ],
    ],
  ],
  // To describe a statement changes nothing, not even what changes() remembers.
  [
    [
      [
        {
          type: 'describe',
          statement: { sql: 'insert into t1 (x) values (?)', args: ['x'], kind: 'insert' },
        },
        {
          type: 'execute',
          statement: { sql: 'select changes(), last_insert_rowid()', args: [], kind: 'other' },
        },
      ],
    ],
  ],
]
