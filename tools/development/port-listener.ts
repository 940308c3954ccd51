import { readFile, readdir, readlink } from 'node:fs/promises'

/** Who listens on a TCP port, such as `process 4711 (node server.js)`, as far as Linux tells this user. */
export async function findListener(port: number): Promise<string | undefined> {
  const tables = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map(readOrEmpty))
  const sockets = new Set(tables.flatMap((table) => listeningSockets(table, port)))
  if (sockets.size === 0) return undefined
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => [])
    const targets = await Promise.all(
      descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')),
    )
    if (!targets.some((target) => sockets.has(target))) continue
    // Only the program and its script: further arguments may be secrets.
    const words = (await readOrEmpty(`/proc/${pid}/cmdline`)).split('\0').filter(Boolean).slice(0, 2)
    return `process ${pid} (${words.join(' ')})`
  }
  return undefined
}

const LISTENING = '0A'

function listeningSockets(table: string, port: number): string[] {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0')
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[1]?.endsWith(`:${hexPort}`) && columns[3] === LISTENING)
    .map((columns) => `socket:[${columns[9]}]`)
}

function readOrEmpty(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '')
}
