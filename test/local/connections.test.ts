import { join } from 'node:path'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { expect, onTestFinished, test } from 'vitest'
import { createConnections } from '../../local/engine/connections.ts'

function connectionsOfOneFile() {
  const folder = mkdtempSync(join(tmpdir(), 'connections-'))
  const connections = createConnections({ isTemporary: true })
  onTestFinished(() => {
    connections.closeIdle()
    rmSync(folder, { recursive: true })
  })
  return { connections, file: join(folder, 'data') }
}

test('a connection goes to the next stream', () => {
  const { connections, file } = connectionsOfOneFile()
  const first = connections.take(file)
  connections.giveBack(file, first, true)
  expect(connections.take(file)).toBe(first)
  first.close()
})

test('a connection with anything temporary goes to no other stream', () => {
  const { connections, file } = connectionsOfOneFile()
  const first = connections.take(file)
  first.run('create table temp.t (a)')
  connections.giveBack(file, first, true)
  const second = connections.take(file)
  expect(second.query('select count(*) from sqlite_temp_schema')).toEqual([[0n]])
  second.close()
})
