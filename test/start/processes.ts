// What the tests of `npm start` know about processes; from /proc, so that nothing started can hide.

import { readFile, readdir } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { PATIENCE_MS } from '../support/patience.ts'

/** Waits for a condition, looking often; fails with what was waited for. */
export async function waitFor(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = PATIENCE_MS,
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs / 1000} s in vain: ${what}`)
    await sleep(50)
  }
}

interface ProcessInfo {
  readonly pid: number
  readonly parent: number
  readonly commandLine: string
}

/** All that run and are not zombies. */
async function listProcesses(): Promise<ProcessInfo[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const processes = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
      const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return state && state !== 'Z'
        ? [{ pid: Number(pid), parent: Number(parent), commandLine: commandLine.replaceAll('\0', ' ') }]
        : []
    }),
  )
  return processes.flat()
}

/** The processes below one, at any depth. */
export async function descendantsOf(ancestor: number): Promise<ProcessInfo[]> {
  const all = await listProcesses()
  const found = new Set([ancestor])
  for (let size = 0; size !== found.size;) {
    size = found.size
    for (const { pid, parent } of all) if (found.has(parent)) found.add(pid)
  }
  return all.filter(({ pid }) => pid !== ancestor && found.has(pid))
}

/** Which of these still run, as the same process and not another one with its number. */
export async function stillRunning(processes: readonly ProcessInfo[]): Promise<ProcessInfo[]> {
  const now = await listProcesses()
  return processes.filter((then) =>
    now.some(({ pid, commandLine }) => pid === then.pid && commandLine === then.commandLine),
  )
}
