import { join } from 'node:path'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { createConnections } from '../../local/engine/connections.ts'

const openFiles = () => readdirSync('/proc/self/fd').length

function connectionsOfOneFile() {
  const folder = mkdtempSync(join(tmpdir(), 'connections-'))
  const connections = createConnections({ isTemporary: true })
  onTestFinished(() => {
    connections.closeIdle()
    rmSync(folder, { recursive: true })
  })
  return { connections, file: join(folder, 'data') }
}

test('a connection that has only read goes to the next stream', () => {
  const { connections, file } = connectionsOfOneFile()
  const first = connections.take(file)
  first.query('select * from sqlite_schema')
  connections.giveBack(file, first, true)
  expect(connections.take(file)).toBe(first)
  first.close()
})

test.each([
  ['has something temporary', 'create table temp.t (a)'],
  ['has changed rows', 'create table t (a); insert into t values (1)'],
  ['has changed rows and lost them', 'create table t (a); begin; insert into t values (1)'],
])('a connection that %s goes to no other stream', (_, script) => {
  const { connections, file } = connectionsOfOneFile()
  const first = connections.take(file)
  first.run(script)
  connections.giveBack(file, first, true)
  const second = connections.take(file)
  expect(second === first).toBe(false)
  expect(
    second.query('select total_changes(), last_insert_rowid(), count(*) from sqlite_temp_schema'),
  ).toEqual([[0n, 0n, 0n]])
  second.close()
})

test('a database stays open when its last stream has changed something, so that its log is not written back', () => {
  const { connections, file } = connectionsOfOneFile()
  const first = connections.take(file)
  first.run('pragma journal_mode = wal; create table t (a); insert into t values (1)')
  connections.giveBack(file, first, true)
  expect(existsSync(`${file}-wal`)).toBe(true)
})

test('closed connections leave a bounded number of open files behind', async () => {
  const { connections, file } = connectionsOfOneFile()
  const before = openFiles()
  connections.take(file).run('pragma journal_mode = wal; create table t (a)')
  for (let round = 0; round < 1_000; round++) {
    const connection = connections.take(file)
    connection.query('insert into t values (?)', [1n])
    connections.giveBack(file, connection, true)
    // What was collected is finalised when the event loop comes round.
    if (round % 10 === 0) await setImmediate()
  }
  expect(openFiles() - before).toBeLessThan(1_000)
})
