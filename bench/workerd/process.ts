/** A process of workerd with several Workers, each on a port of its own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

export interface WorkerSource {
  /** Made of letters, digits and dashes. */
  readonly name: string
  /** One module without imports. */
  readonly code: string
  readonly needsNode: boolean
}

export interface WorkerdProcess {
  readonly version: string
  urlOf(name: string): string
  readonly stop: () => Promise<void>
}

const root = path.join(import.meta.dirname, '../..')
const workerd = path.join(root, 'node_modules/workerd/bin/workerd')
/** From August 2026 on, a Worker has Node's globals unless it refuses them. */
const COMPATIBILITY_DATE = '2026-10-20'

/** @param folder for its configuration and the modules */
export async function startWorkerd(
  sources: readonly WorkerSource[],
  folder: string,
): Promise<WorkerdProcess> {
  await Promise.all(sources.map(({ name, code }) => writeFile(path.join(folder, `${name}.mjs`), code)))
  const configuration = path.join(folder, 'workerd.capnp')
  await writeFile(configuration, describe(sources))
  const child = spawn(workerd, ['serve', '--control-fd=3', configuration], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
  })
  const kill = () => child.kill('SIGKILL')
  // Whatever ends this process, no other stays behind.
  process.once('exit', kill)
  const ended = once(child, 'exit').finally(() => process.off('exit', kill))
  const ports = new Map<string, number>()
  // One line of JSON for each port that it listens on.
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    const { event, socket, port } = JSON.parse(line) as { event: string; socket: string; port: number }
    if (event === 'listen') ports.set(socket, port)
    if (ports.size === sources.length) break
  }
  if (ports.size < sources.length) throw new Error(`workerd ended with ${String((await ended)[0])}`)
  return {
    version: await versionOf(),
    urlOf: (name) => `http://127.0.0.1:${ports.get(name)}`,
    async stop() {
      child.kill()
      await ended
    },
  }
}

async function versionOf(): Promise<string> {
  const child = spawn(workerd, ['--version'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [output] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
  return output.replace('workerd', '').trim()
}

/** Ports are chosen by the system. */
function describe(sources: readonly WorkerSource[]): string {
  const list = (items: string[]) => items.join(',\n    ')
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    ${list(sources.map(({ name, needsNode }) => `(name = "${name}", worker = ${worker(name, needsNode)})`))}
  ],
  sockets = [
    ${list(sources.map(({ name }) => `(name = "${name}", address = "127.0.0.1:0", http = (), service = "${name}")`))}
  ],
);
`
}

function worker(name: string, needsNode: boolean): string {
  const flags = needsNode ? '' : '"no_nodejs_compat", "no_nodejs_compat_v2"'
  return `(
      modules = [(name = "worker", esModule = embed "${name}.mjs")],
      compatibilityDate = "${COMPATIBILITY_DATE}",
      compatibilityFlags = [${flags}],
    )`
}
