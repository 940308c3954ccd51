import { createHash } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { apiKeyEntry, createApiKey } from '../../tools/keys/api-key.ts'
import { isMistyped } from '../../worker/key-checksum.ts'
import { PATIENCE_MS } from '../support/patience.ts'

const root = path.join(import.meta.dirname, '../..')
const runKey = (...args: string[]) =>
  spawnSync(process.execPath, ['tools/key.ts', ...args], {
    cwd: root,
    encoding: 'utf8',
    timeout: PATIENCE_MS,
  })

/** By a path that TypeScript does not follow: the Worker's files are checked under its own globals, not Node's. */
const workerModule = path.join(root, 'worker/api-key.ts')
const {
  parseApiKeys,
}: { parseApiKeys: (text: string) => { name: string; scope: string; sha256: Uint8Array }[] } = await import(
  /* @vite-ignore */ workerModule
)

describe('createApiKey', () => {
  it('makes a different key each time, of which the Worker notices every mistyped character', () => {
    const keys = Array.from({ length: 50 }, () => createApiKey('backend-1'))
    expect(new Set(keys).size).toBe(keys.length)
    for (const key of keys) {
      expect(key).toMatch(/^te_backend-1_[0-9A-Za-z]{30}$/)
      expect(isMistyped(key)).toBe(false)
      for (let at = 3; at < key.length; at++) {
        const typo = key.slice(0, at) + (key[at] === 'x' ? 'y' : 'x') + key.slice(at + 1)
        expect(isMistyped(typo)).toBe(true)
      }
    }
  })

  it('has an entry that the Worker reads', () => {
    const key = createApiKey('backend')
    const sha256 = Uint8Array.from(createHash('sha256').update(key).digest())
    expect(parseApiKeys(apiKeyEntry('backend', 'signup', key))).toEqual([
      { name: 'backend', scope: 'signup', sha256 },
    ])
  })
})

describe('npm run key', () => {
  it('prints the key alone on stdout, and the entry for API_KEYS beside it', () => {
    const { status, stdout, stderr } = runKey('backend', 'admin')
    expect(status).toBe(0)
    expect(stdout).toMatch(/^te_backend_[0-9A-Za-z]{30}\n$/)
    expect(stderr.trimEnd().split('\n').at(-1)).toBe(apiKeyEntry('backend', 'admin', stdout.trim()))
    expect(stderr).not.toContain(stdout.trim())
  })

  it.each([
    [],
    ['backend'],
    ['backend', 'root'],
    ['Back_end', 'admin'],
    ['a'.repeat(33), 'admin'],
    ['a', 'admin', 'b'],
  ])('explains itself for %j', (...args) => {
    const { status, stdout, stderr } = runKey(...args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^usage: npm run key -- <name> <scope>/)
  })
})
