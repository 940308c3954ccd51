/** A port that its owner can leave for a moment and have again. */
import { createServer } from 'node:net'

/** Below the ports that systems give to outgoing connections (Linux: from 32768), one of which might take it meanwhile. */
const [FROM, TO] = [20_000, 32_000]

export async function findLastingPort(): Promise<number> {
  for (;;) {
    const port = FROM + Math.floor(Math.random() * (TO - FROM))
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
