import { readdir, readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { runCommand } from '../../tools/process/run-command.ts'
import { PATIENCE_MS } from '../support/patience.ts'

const never = new AbortController().signal
const node = (script: string) => [process.execPath, '-e', script]

async function isRunning(marker: string): Promise<boolean> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')))
  return lines.some((line) => line.includes(marker))
}

describe('runCommand', () => {
  it('gives back both outputs of a command that succeeds', async () => {
    const result = await runCommand(node('console.log(process.env.WORD); console.error(2)'), {
      env: { WORD: 'one' },
      timeoutMs: PATIENCE_MS,
      signal: never,
    })
    expect(result).toEqual({ succeeded: true, output: 'one\n2\n' })
  })

  it('says how a command failed', async () => {
    const options = { timeoutMs: PATIENCE_MS, signal: never }
    expect(await runCommand(node('console.log(1); process.exit(3)'), options)).toEqual({
      succeeded: false,
      output: `1\n${process.execPath} ended with code 3`,
    })
    expect((await runCommand(node('process.kill(process.pid, "SIGKILL")'), options)).output).toContain(
      'was ended by SIGKILL',
    )
    expect((await runCommand(['/no/such/program'], options)).output).toContain('did not start')
  })

  it('ends a command that takes too long, or whose caller gives up', async () => {
    const slow = await runCommand(node('setInterval(() => {}, 1000)'), { timeoutMs: 300, signal: never })
    expect(slow.succeeded).toBe(false)
    expect(slow.output).toContain('was ended by SIGTERM, after 0.3 s')
    const given = { timeoutMs: PATIENCE_MS, signal: AbortSignal.timeout(100) }
    expect((await runCommand(node('setInterval(() => {}, 1000)'), given)).output).toMatch(
      /was ended by SIGTERM$/,
    )
  })

  it('leaves nothing behind that the command started', async () => {
    const marker = `marker-${Math.random()}`
    const grandchild = `require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', '${marker}'], { stdio: 'inherit' })`
    const script = `${grandchild}.on('spawn', () => process.exit(0))`
    expect((await runCommand(node(script), { timeoutMs: PATIENCE_MS, signal: never })).succeeded).toBe(true)
    expect(await isRunning(marker)).toBe(false)
  })
})
