/** What it costs to load a client: the first import, in a process that has done nothing before. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { bundle } from './bundle.ts'
import { CONTESTANTS } from './clients/catalogue.ts'
import { race, spread, type Spread } from './harness.ts'

export interface EvaluationTime {
  name: string
  /** Milliseconds with the web's globals in place, as in a Worker, above those of an empty module. */
  isolate: Spread
  /** The same in Node as it starts, which makes these globals when they are first touched. */
  cold: Spread
}

const PROCESSES = 20
const EMPTY = 'an empty module'
const WEB_GLOBALS =
  'Request, Response, Headers, WebSocket, ReadableStream, TextDecoder, AbortSignal, URL, FormData, Blob, crypto'

/** @param folder for the bundles */
export async function measureEvaluation(folder: string, processes = PROCESSES): Promise<EvaluationTime[]> {
  const modules = [
    { name: EMPTY, library: 'export {}' },
    ...CONTESTANTS.flatMap(({ name, library }) => (library === undefined ? [] : [{ name, library }])),
  ]
  const files = await Promise.all(
    modules.map(async ({ library }, index) => {
      const file = path.join(folder, `module-${index}.mjs`)
      await writeFile(file, await bundle(library, { minify: true }))
      return file
    }),
  )
  const measure = async (prelude: string) => {
    const runners = modules.map(({ name }, index) => ({
      name,
      sample: () => importOf(files[index]!, prelude),
    }))
    return await race(runners, { rounds: processes })
  }
  const isolate = await measure(`void [${WEB_GLOBALS}]`)
  const cold = await measure('')
  const above = (times: typeof cold, name: string) =>
    spread(times.get(name)!.map((time, round) => time - times.get(EMPTY)![round]!))
  return modules.slice(1).map(({ name }) => ({
    name,
    isolate: above(isolate, name),
    cold: above(cold, name),
  }))
}

async function importOf(file: string, prelude: string): Promise<number> {
  const program = `${prelude}
    const startedAt = performance.now()
    await import(${JSON.stringify(file)})
    process.stdout.write(String(performance.now() - startedAt))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program])
  return Number(stdout)
}
