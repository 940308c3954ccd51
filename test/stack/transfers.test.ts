import { expect, test } from 'vitest'
import { transferInTrouble } from './transfers.ts'

test('money moved by every kind of client while everything fails is never lost, and each client was told the truth', async () => {
  const { wrong, committed } = await transferInTrouble({ seconds: 8, seed: 1, behaviour: 'cloud' })
  expect(wrong).toEqual([])
  for (const kind of ['library', 'batch', 'http', 'socket', 'binding'])
    expect(committed[kind]).toBeGreaterThan(0)
})

test('a Worker that takes a lost answer for a transaction that was rolled back is found out', async () => {
  const lies = [
    ['worker/hrana/error.ts', 'NO_ANSWER', 502],
    ['worker/session/refusals.ts', 'STREAM_LOST', 400],
  ].map(([file, code, status]) => {
    const declaration = `export const ${code}: HranaError = {\n  status: ${status},\n  code: `
    return { file: String(file), from: `${declaration}'${code}'`, to: `${declaration}'STREAM_EXPIRED'` }
  })
  const { wrong } = await transferInTrouble({
    seconds: 1,
    fired: 6,
    seed: 1,
    only: ['lost_commit'],
    changes: lies,
  })
  expect(wrong.join('\n')).toMatch(/ is there, and its client was told not_committed/)
})
