/** `turso-edge local` as a process of its own. */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { toAnswer } from './harness.ts'
import { PATIENCE_MS } from '../support/patience.ts'

export const COMMAND = join(import.meta.dirname, '../../local/command.ts')
export const TIMEOUT_MS = PATIENCE_MS

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'local-turso-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export function spawn(...args: string[]) {
  return spawnWith({}, ...args)
}

export function spawnWith(env: Record<string, string>, ...args: string[]) {
  const child = fork(COMMAND, args, {
    silent: true,
    execArgv: [],
    env: { ...process.env, TURSO_PLATFORM_TOKEN: '', ...env },
  })
  // In order, as whoever is killed cannot remove its temporary folder.
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill()
    await once(child, 'exit')
  })
  const output = { stdout: '', stderr: '' }
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  return { child, output }
}

/** Starts the command and waits until it is ready. */
export async function listen(...args: string[]) {
  return listenWith({}, ...args)
}

export async function listenWith(env: Record<string, string>, ...args: string[]) {
  const { child, output } = spawnWith(env, 'local', '--port', '0', ...args)
  await expect.poll(() => output.stdout, { timeout: TIMEOUT_MS }).toContain('\n')
  const url = /^local Turso listening on (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(output.stdout)?.[1]
  if (!url) throw new Error(JSON.stringify(output))
  return { child, output, url }
}

/** The exit code, or the signal, of a process that ends. */
export async function ended(child: ChildProcess): Promise<unknown> {
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  return code ?? signal
}

export function post(url: string, token: string, body: unknown) {
  const headers = { authorization: `Bearer ${token}` }
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(body) }).then(toAnswer)
}
