// A real `npm start` on free ports and a temporary data folder.

import { spawn, type ChildProcess } from 'node:child_process'
import path from 'node:path'
import { findLastingPort } from '../support/stack/port.ts'
import { descendantsOf, stillRunning, waitFor } from './processes.ts'
import { PATIENCE_MS } from '../support/patience.ts'

const root = path.join(import.meta.dirname, '../..')
const running = new Set<ChildProcess>()

export interface Stack {
  readonly process: ChildProcess
  readonly pid: number
  readonly url: string
  readonly port: number
  /** Of the local Turso. */
  readonly tursoUrl: string
  readonly output: () => string
  /** Its exit code; `null` when a signal ended it. */
  readonly ended: Promise<number | null>
}

interface RunOptions {
  /** These win over the free ports. */
  readonly flags?: readonly string[]
  /** Whether npm and its shell stand between, as in a terminal. */
  readonly byNpm?: boolean
}

export async function runStart(
  dataFolder: string,
  { flags = [], byNpm = false }: RunOptions = {},
): Promise<Stack> {
  const [port, tursoPort] = [await findLastingPort(), await findLastingPort()]
  const [program, ...prefix] = byNpm
    ? (['npm', 'start', '--'] as const)
    : [process.execPath, 'tools/start.ts']
  const args = [`--port=${port}`, `--turso-port=${tursoPort}`, `--data=${dataFolder}`, ...flags]
  const child = spawn(program, [...prefix, ...args], {
    cwd: root,
    // Beside the data: who is killed leaves something there, which is removed with the test's folder.
    env: { ...process.env, TMPDIR: path.dirname(dataFolder) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      running.delete(child)
      resolve(code)
    })
  })
  return {
    process: child,
    pid: child.pid ?? 0,
    url: `http://127.0.0.1:${port}`,
    port,
    tursoUrl: `http://127.0.0.1:${tursoPort}`,
    output: () => output,
    ended,
  }
}

/** The same, until its banner is there. */
export async function startStack(dataFolder: string, options?: RunOptions): Promise<Stack> {
  const stack = await runStart(dataFolder, options)
  const isOver = () => stack.process.exitCode !== null || stack.process.signalCode !== null
  await waitFor('the banner', () => stack.output().includes('Sign a tenant up') || isOver(), 2 * PATIENCE_MS)
  if (isOver()) throw new Error(stack.output())
  return stack
}

/** Does something to a running stack, then waits for its end; fails if any process below it outlives it. */
export async function endStack(stack: Stack, how: () => unknown): Promise<number | null> {
  const below = await descendantsOf(stack.pid)
  if (below.length < 3) throw new Error('npm start has not started what this test wants to see end')
  await how()
  const code = await stack.ended
  await waitFor('the end of all processes', async () => (await stillRunning(below)).length === 0)
  return code
}

export async function stopStack(stack: Stack): Promise<void> {
  await endStack(stack, () => stack.process.kill('SIGTERM'))
}

/** For afterEach: whatever a failed test left. */
export async function endAllStacks(): Promise<void> {
  for (const child of running) child.kill('SIGTERM')
  await waitFor('the end of the stacks that a test left', () => running.size === 0)
}
