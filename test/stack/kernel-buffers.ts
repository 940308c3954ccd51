import { readFile } from 'node:fs/promises'

/** Bytes that wait in the operating system, in the TCP connections to servers of this machine, by their URLs. */
export async function bytesInKernel(...servers: string[]): Promise<number> {
  const ports = servers.map((url) => Number(new URL(url).port))
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((file) => readFile(file, 'utf8').catch(() => '')),
  )
  let bytes = 0
  for (const line of tables.join('\n').split('\n')) {
    const [, local, remote, state, queues] = line.trim().split(/\s+/)
    if (queues === undefined || state === LISTENING) continue
    if (![local, remote].some((address) => ports.includes(Number.parseInt(address!.split(':')[1]!, 16))))
      continue
    // To be sent, and received but not read.
    for (const queue of queues.split(':')) bytes += Number.parseInt(queue, 16) || 0
  }
  return bytes
}

const LISTENING = '0A'
