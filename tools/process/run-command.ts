import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { signalGroup } from './group.ts'

/** How a command ended. */
export interface CommandResult {
  readonly succeeded: boolean
  /** What it wrote to both of its outputs and, if it did not succeed, a last line that says how it ended. */
  readonly output: string
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly timeoutMs: number
  /** Stops the command. */
  readonly signal: AbortSignal
}

const GRACE_MS = 5_000

/** Runs a command to its end, in a process group of its own of which nothing is left afterwards. */
export async function runCommand(
  command: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  const [program = '', ...args] = command
  const child = spawn(program, args, {
    detached: true,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))

  const stop = AbortSignal.any([options.signal, AbortSignal.timeout(options.timeoutMs)])
  const ending = endOf(child)
  const closed = new Promise((resolve) => child.once('close', resolve))
  const group = child.pid
  const stopGroup = () => {
    if (group === undefined || !signalGroup(group, 'SIGTERM')) return
    void sleep(GRACE_MS, undefined, { ref: false }).then(() => signalGroup(group, 'SIGKILL'))
  }
  if (stop.aborted) stopGroup()
  stop.addEventListener('abort', stopGroup, { once: true })

  const problem = await ending
  stop.removeEventListener('abort', stopGroup)
  if (group !== undefined) {
    signalGroup(group, 'SIGKILL')
    // Bounded, since what left the group could hold the outputs open for ever.
    await Promise.race([closed, sleep(1_000, undefined, { ref: false })])
  }

  const output = Buffer.concat(chunks).toString()
  if (problem === undefined) return { succeeded: true, output }
  const late = stop.aborted && !options.signal.aborted ? `, after ${options.timeoutMs / 1000} s` : ''
  return { succeeded: false, output: `${output.trimEnd()}\n${program} ${problem}${late}`.trimStart() }
}

function endOf(child: ReturnType<typeof spawn>): Promise<string | undefined> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(`did not start: ${error.message}`))
    child.once('exit', (code, signal) => {
      resolve(code === 0 ? undefined : signal ? `was ended by ${signal}` : `ended with code ${code}`)
    })
  })
}
