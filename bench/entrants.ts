/** The clients of a run, bundled, and what each is answered. */
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { bundle } from './bundle.ts'
import { BARE_FETCH, JSON_PARSE, type Contestant } from './clients/catalogue.ts'
import type { OpenClient } from './clients/contract.ts'
import type { Recorder } from './recorded-answers.ts'
import type { RecordedAnswer } from './replay.ts'
import type { Scenario } from './scenarios.ts'

export interface Entrant {
  readonly contestant: Contestant
  readonly name: string
  /** The bundle, the same for both runtimes; none for `JSON.parse`. */
  readonly code: string | undefined
  /** Its address, to be imported. */
  readonly modulePath: string | undefined
  readonly open: OpenClient | undefined
}

/** @param folder where the bundles are written to */
export async function bundleEntrants(contestants: readonly Contestant[], folder: string): Promise<Entrant[]> {
  return await Promise.all(
    contestants.map(async (contestant, index): Promise<Entrant> => {
      const { name, entry } = contestant
      if (entry === undefined)
        return { contestant, name, code: undefined, modulePath: undefined, open: undefined }
      const file = path.join(folder, `client-${index}.mjs`)
      const code = await bundle(entry)
      await writeFile(file, code)
      const modulePath = pathToFileURL(file).href
      const { open } = (await import(/* @vite-ignore */ modulePath)) as { open: OpenClient }
      return { contestant, name, code, modulePath, open }
    }),
  )
}

/** By name of the client. What `JSON.parse` gets is what bare `fetch` got, or sent where the scenario says so. */
export async function recordAnswers(
  recorder: Recorder,
  scenario: Scenario,
  entrants: readonly Entrant[],
): Promise<Map<string, RecordedAnswer>> {
  const answers = new Map<string, RecordedAnswer>()
  const { fetch } = globalThis
  try {
    for (const { name, open } of entrants)
      if (open) answers.set(name, await recorder.record(scenario, open).catch(named(name)))
  } finally {
    // Some clients can only be given another one by replacing it.
    globalThis.fetch = fetch
  }
  const bare = answers.get(BARE_FETCH)
  if (bare) {
    const body = scenario.parsed === 'answer' ? bare.body : new TextEncoder().encode(bare.request)
    answers.set(JSON_PARSE, { ...bare, body })
  }
  return answers
}

const named = (name: string) => (error: unknown) => {
  throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
}
