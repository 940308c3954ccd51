/** The processes in which workerd runs the Worker, as Linux tells of them. */
import { readFile, readdir } from 'node:fs/promises'

/** `/proc/<pid>/status` of each that descends from this process and lives; none on a system without `/proc`. */
export async function workerStatuses(): Promise<string[]> {
  const names = await readdir('/proc').catch(() => [])
  const statuses = await Promise.all(
    names
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')),
  )
  const children = (parent: string): string[] =>
    statuses
      .filter((status) => fieldOf(status, 'PPid') === parent)
      .flatMap((status) => [status, ...children(fieldOf(status, 'Pid'))])
  return children(String(process.pid)).filter(
    (status) => fieldOf(status, 'Name') === 'workerd' && fieldOf(status, 'State') !== 'Z',
  )
}

export async function workerPids(): Promise<number[]> {
  return (await workerStatuses()).map((status) => Number(fieldOf(status, 'Pid')))
}

export function fieldOf(status: string, name: string): string {
  return new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1] ?? ''
}

/** What Linux counts the time of processes in. */
const MS_PER_TICK = 10

/** Milliseconds on the processor that they have had so far, all threads together. */
export async function workerCpuMs(): Promise<number> {
  const ticks = await Promise.all(
    (await workerStatuses()).map(async (status) => {
      const stat = await readFile(`/proc/${fieldOf(status, 'Pid')}/stat`, 'utf8')
      // The second field is a name in brackets; of those behind it, `utime` and `stime`.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return Number(fields[11]) + Number(fields[12])
    }),
  )
  return ticks.reduce((sum, each) => sum + each, 0) * MS_PER_TICK
}
