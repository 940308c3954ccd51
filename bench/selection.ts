/** What of it all is run. */
import type { Runtime } from './results.ts'
import { SCENARIO_NAMES, type ScenarioName } from './scenarios.ts'

export interface Selection {
  readonly scenarios: ReadonlySet<ScenarioName>
  readonly runtimes: ReadonlySet<Runtime>
  readonly parts: ReadonlySet<Part>
}

const RUNTIMES: readonly Runtime[] = ['node', 'workerd']
const PARTS = ['sizes', 'requests', 'load', 'cursor'] as const
type Part = (typeof PARTS)[number]

const GROUPS: Readonly<Record<string, readonly ScenarioName[]>> = {
  decode: ['point', 'rows1k', 'rows1k-text', 'rows10k', 'rows10k-text'],
  blob: ['blob-read', 'blob-write'],
  speed: SCENARIO_NAMES,
}

/**
 * Without words, everything. A runtime alone stands for all scenarios in it.
 *
 * @throws {Error} for a word that names nothing
 */
export function select(words: readonly string[]): Selection {
  const scenarios = SCENARIO_NAMES.filter(
    (name) => words.includes(name) || words.some((word) => GROUPS[word]?.includes(name)),
  )
  const runtimes = RUNTIMES.filter((name) => words.includes(name))
  const parts = PARTS.filter((name) => words.includes(name))
  const known: readonly string[] = [...SCENARIO_NAMES, ...Object.keys(GROUPS), ...RUNTIMES, ...PARTS]
  const unknown = words.find((word) => !known.includes(word))
  if (unknown !== undefined)
    throw new Error(`there is no "${unknown}" to measure; there are: ${known.join(', ')}`)
  const isEverything = words.length === 0
  return {
    scenarios: new Set(
      isEverything || (scenarios.length === 0 && runtimes.length > 0) ? SCENARIO_NAMES : scenarios,
    ),
    runtimes: new Set(runtimes.length > 0 ? runtimes : RUNTIMES),
    parts: new Set(isEverything ? PARTS : parts),
  }
}
