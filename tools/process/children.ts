import type { ChildProcess } from 'node:child_process'
import { subscribe } from 'node:diagnostics_channel'
import path from 'node:path'

/**
 * Follows every child process that libraries start in this process from now on. `onCrash` is called with the program's
 * name and how it ended (`code 1`, `SIGKILL`) for each that ends otherwise than well or by this process's own hand.
 */
export function followChildren(onCrash: (program: string, how: string) => void): {
  allEnded: () => Promise<void>
} {
  const running = new Set<Promise<void>>()
  subscribe('child_process', (event) => {
    const { process: child } = event as { process: ChildProcess }
    const ended = new Promise<void>((resolve) => {
      child.once('error', () => resolve())
      child.once('exit', (code, signal) => {
        resolve()
        if (code !== 0 && !child.killed) onCrash(path.basename(child.spawnfile), signal ?? `code ${code}`)
      })
    })
    running.add(ended)
    void ended.then(() => running.delete(ended))
  })
  return {
    // So that the process is still there to collect them: in containers often nobody else does.
    allEnded: async () => void (await Promise.all(running)),
  }
}
