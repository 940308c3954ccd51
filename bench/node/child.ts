/** A process of Node that is asked once and answers once. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'

/**
 * @param file in this folder
 * @param request anything that can be cloned
 * @throws {Error} when the process ends without an answer
 */
export async function askChild<Answer>(
  file: string,
  request: object,
  { execArgv = [] }: { execArgv?: string[] } = {},
): Promise<Answer> {
  const child = fork(path.join(import.meta.dirname, file), {
    execArgv: ['--expose-gc', ...execArgv],
    serialization: 'advanced',
  })
  const kill = () => child.kill('SIGKILL')
  // Whatever ends this process, no other stays behind.
  process.once('exit', kill)
  const answered = once(child, 'message') as Promise<[Answer]>
  const ended = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`${file} ended with ${String(code ?? signal)}`)
  })
  child.send(request)
  try {
    return (await Promise.race([answered, ended]))[0]
  } finally {
    ended.catch(() => undefined).finally(() => process.off('exit', kill))
  }
}
