import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { signalGroup } from '../process/group.ts'

/** How to start one part of the stack, and where it says that it is up. */
export interface PartPlan {
  readonly name: string
  /** A TypeScript file and its arguments; run by the Node that runs us. */
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Sent to the process once it runs: unlike arguments and environment, no other process can read it. */
  readonly message?: Readonly<Record<string, unknown>>
  readonly logFile: string
  readonly healthUrl: string
}

/** A running part of the stack. */
export interface Part {
  readonly name: string
  readonly pid: number
  readonly healthUrl: string
  /** Settles when the process has ended, with how: `code 1`, `SIGKILL`. */
  readonly ended: Promise<string>
  readonly lastLines: () => readonly string[]
  readonly stop: () => Promise<void>
  readonly kill: () => void
}

const KEPT_LINES = 200
const STOP_GRACE_MS = 5_000

/**
 * Starts a part as the leader of a process group of its own: a Ctrl-C in the terminal reaches only us, and whatever
 * it starts itself (workerd, esbuild) ends with it. The part ends by itself when its channel to us closes, so it also
 * ends when we are killed. What it writes is logged; what it writes to stderr is shown as well.
 */
export function startPart(plan: PartPlan, show: (line: string) => void): Part {
  const child = spawn(process.execPath, [...plan.command], {
    detached: true,
    env: { ...process.env, ...plan.env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const log = createWriteStream(plan.logFile, { flags: 'a', mode: 0o600 })
  const lines: string[] = []
  const keep = (line: string) => {
    log.write(`${line}\n`)
    if (lines.push(line) > KEPT_LINES) lines.shift()
  }
  if (child.stdout) createInterface(child.stdout).on('line', keep)
  if (child.stderr) {
    createInterface(child.stderr).on('line', (line) => {
      keep(line)
      show(line)
    })
  }

  const kill = () => {
    if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL')
  }
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(signal ?? `code ${code}`))
  }).then(async (how) => {
    kill()
    // For the last lines. Bounded, since a process that left the group may hold the pipes open.
    await Promise.race([
      new Promise((resolve) => child.once('close', resolve)),
      sleep(500, undefined, { ref: false }),
    ])
    log.end()
    return how
  })
  const disconnect = () => {
    if (child.connected) child.disconnect()
  }

  // The process may be gone before it reads the message; `ended` tells.
  if (plan.message && child.connected) child.send(plan.message, () => undefined)
  return {
    name: plan.name,
    pid: child.pid ?? 0,
    healthUrl: plan.healthUrl,
    ended,
    lastLines: () => lines,
    stop: async () => {
      disconnect()
      const deadline = setTimeout(kill, STOP_GRACE_MS)
      await ended
      clearTimeout(deadline)
    },
    kill,
  }
}
