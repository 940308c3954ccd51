import { expect, onTestFinished, test } from 'vitest'
import { openConnection } from '../../local/engine/engine.ts'
import { parseStatement } from '../../local/engine/statement.ts'

const STATEMENTS = [
  'select 1',
  'select * from t',
  'values (1), (2)',
  'with q as (select 1) select * from q',
  'with recursive q (a, b) as not materialized (select 1, 2), r as (select 3) insert into t select a from q',
  'with replace as (select 1) select * from replace',
  'with q as (select (1)) update t set a = (select * from q)',
  'with "insert" as (select 1) delete from t where a in "insert"',
  'insert into t values (1)',
  'insert into t values (1) returning *',
  'replace into t values (1)',
  'update t set a = 2',
  'delete from t',
  'delete from t where 0',
  'create table u (a)',
  'create index i on t (a)',
  'create view v as select * from t',
  'create trigger g after insert on t begin delete from t; end',
  'alter table t add column b',
  'drop table t',
  'begin',
  'begin deferred transaction',
  'begin immediate',
  'begin exclusive transaction',
  'begin transaction readonly',
  'commit',
  'end transaction',
  'rollback',
  'savepoint s',
  '/* select */ insert /* x */ into t values (1)',
]

// https://www.sqlite.org/opcode.html#Transaction: its second operand says whether the transaction writes.
test.each(STATEMENTS)('SQLite agrees whether it writes: %s', (sql) => {
  const connection = openConnection(':memory:')
  onTestFinished(connection.close)
  connection.run('create table t (a)')
  const writes = connection
    .query(`explain ${sql}`)
    .some(([, opcode, database, mode]) => opcode === 'Transaction' && database === 0n && mode !== 0n)
  expect(parseStatement(sql).takesWriteLock).toBe(writes)
})

test.each([
  ['select ?, ?', [null, null]],
  ['select ?3, ?', [null, null, '?3', null]],
  ['select :a, @a, $a, :a', [':a', '@a', '$a']],
  ['select $a::b(c), :é', ['$a::b(c)', ':é']],
  [`select '?', "?", [?], \`?\`, x'00' /* ? */ -- ?`, []],
  ["select 'it''s ?', ?", [null]],
])('the parameters of %s are known', (sql, parameters) => {
  expect(parseStatement(sql).parameters).toEqual(parameters)
})

test('a statement has no more parameters than SQLite takes, and hundreds of thousands are refused as soon', () => {
  const named = (count: number) =>
    `select ${Array.from({ length: count }, (_, index) => `:a${index}`).join()}`
  expect(parseStatement(named(32_766)).parameters).toHaveLength(32_766)
  expect(() => parseStatement(named(300_000))).toThrow('too many SQL variables')
})

test('a parameter whose suffix has no end is read once', () => {
  expect(parseStatement(`select ${'$a('.repeat(300_000)}`).parameters).toHaveLength(1)
})

test.each([
  'create temp table t (a)',
  'create table temp.t (a)',
  'create table if not exists "Temp" . t (a)',
  'create virtual table [temp].t using fts5 (a)',
  'create unique index `temp`.i on t (a)',
  `create view 'temp'.v as select 1`,
  'create trigger /* x */ temp.g after insert on main.t begin delete from t; end',
  'explain pragma foreign_keys = off',
  'pragma nope',
  'detach x',
  'select * from pragma_optimize',
  'select * from Pragma_Optimize(-1)',
  'with q as (select * from main . "pragma_optimize") select * from q',
  'create view v as select * from [pragma_optimize]',
  'explain select * from `pragma_optimize`',
  `select * from 'pragma_optimize'`,
])('sqld does not support: %s', (sql) => {
  expect(() => parseStatement(sql)).toThrow(`unsupported statement: ${sql}`)
})
