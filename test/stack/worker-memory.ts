import { readFile, readdir } from 'node:fs/promises'

/** Of all processes that run the Worker, in bytes. */
export async function workerMemory(): Promise<number> {
  const stats = await Promise.all(
    (await readdir('/proc'))
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')),
  )
  const fieldOf = (status: string, name: string): string =>
    new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1] ?? ''
  const children = (parent: string): string[] =>
    stats
      .filter((status) => fieldOf(status, 'PPid') === parent)
      .flatMap((status) => [status, ...children(fieldOf(status, 'Pid'))])
  return children(String(process.pid))
    .filter((status) => fieldOf(status, 'Name') === 'workerd')
    .reduce((sum, status) => sum + Number(fieldOf(status, 'VmRSS')) * 1024, 0)
}
