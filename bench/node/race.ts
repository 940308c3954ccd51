/** A race in Node: one process per scenario, so that no scenario inherits another's optimised code. */
import type { Entrant } from '../entrants.ts'
import type { RecordedAnswer } from '../replay.ts'
import type { ScenarioName, ScenarioSizes } from '../scenarios.ts'
import { askChild } from './child.ts'
import type { RaceAnswer, RaceRequest } from './replayer.ts'

export async function raceInNode(
  scenario: ScenarioName,
  entrants: readonly Entrant[],
  answers: ReadonlyMap<string, RecordedAnswer>,
  { sizes, budgetMs }: { sizes: ScenarioSizes; budgetMs: number },
): Promise<RaceAnswer> {
  const clients = entrants.map(({ name, modulePath }) => ({ name, modulePath, answer: answers.get(name)! }))
  const request: RaceRequest = { scenario, sizes, budgetMs, clients }
  return await askChild<RaceAnswer>('replayer.ts', request)
}
