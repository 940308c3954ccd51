import { createServer } from 'node:net'
import { findListener } from './port-listener.ts'

/** The address that everything listens on: this machine alone can reach it. */
export const HOST = '127.0.0.1'

/** Throws when something else has the port, naming it and the flag that chooses another. */
export async function requireFreePort(port: number, flag: string): Promise<void> {
  const code = await tryToListen(port)
  if (code === undefined) return
  if (code === 'EACCES')
    throw new Error(`Port ${port} may not be used by this user; choose another with ${flag}.`)
  if (code !== 'EADDRINUSE')
    throw new Error(`Port ${port} cannot be used (${code}); choose another with ${flag}.`)
  const listener = await findListener(port)
  throw new Error(`Port ${port} is taken${listener ? ` by ${listener}` : ''}; choose another with ${flag}.`)
}

function tryToListen(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error) => resolve('code' in error ? String(error.code) : error.message))
    server.listen({ host: HOST, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}
