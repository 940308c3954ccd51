import { commandStep, type Step } from './step.ts'
import { tarballIn } from './tarball.ts'
import { vitestStep } from './vitest-step.ts'

/** Steps that run one after the other. */
export type Lane = readonly Step[]

/**
 * What `npm test` runs. Stages follow each other; the lanes of a stage run side by side, the longest first, so that no
 * core is idle at the end. Each vitest has a process of its own, since on two cores it runs one file at a time. The tests
 * of the tools look at the packed package.
 */
export const stages: readonly (readonly Lane[])[] = [
  [[commandStep('generate', ['node', 'tools/bundle-migrations.ts'])]],
  [
    [vitestStep('vitest:worker-1', ['worker'], '1/2')],
    [vitestStep('vitest:worker-2', ['worker'], '2/2')],
    [vitestStep('vitest:stack', ['stack'])],
    [vitestStep('vitest:node', ['core@node', 'local'])],
    [
      commandStep('package', (context) => ['node', 'tools/check-package.ts', tarballIn(context)]),
      vitestStep('vitest:tools', ['tools']),
    ],
    [vitestStep('vitest:start', ['start'])],
    [vitestStep('vitest:servers', ['worker@sqld', 'worker@cloud'])],
    [vitestStep('vitest:workerd', ['core@workerd'])],
    [commandStep('format', ['oxfmt', '--check'])],
    [commandStep('lint', ['oxlint', '--type-aware', '--deny-warnings'])],
    [commandStep('types:worker', ['tsc', '-p', 'tsconfig.worker.json'])],
    [commandStep('types:node', ['tsc', '-p', 'tsconfig.node.json'])],
    [commandStep('types:test', ['tsc', '-p', 'tsconfig.test.json'])],
    [commandStep('types:src', ['tsc', '-p', 'tsconfig.src.json'])],
    [
      commandStep('bindings', [
        'wrangler',
        'types',
        'worker/worker-configuration.d.ts',
        '--include-runtime=false',
        '--strict-vars=false',
        '--check',
      ]),
    ],
    [commandStep('types:consumer', ['tsc', '-p', 'tsconfig.consumer.json'])],
    [commandStep('types:examples', ['tsc', '-p', 'tsconfig.examples.json'])],
    [commandStep('api', ['node', 'tools/api-reference.ts', '--check'])],
    [commandStep('size:worker', ['node', 'tools/check-size.ts', 'worker'])],
    [commandStep('size:library', ['node', 'tools/check-size.ts', 'library'])],
  ],
]

/** The stages without the steps that were not asked for; `undefined` stands for all. */
export function selectSteps(names: readonly string[]): readonly (readonly Lane[])[] {
  const known = new Set(stages.flat(2).flatMap(({ name }) => [name, groupOf(name)]))
  const unknown = names.find((name) => !known.has(name))
  if (unknown !== undefined)
    throw new Error(`no step is named "${unknown}"; there are: ${[...known].join(', ')}`)
  if (names.length === 0) return stages
  const isWanted = ({ name }: Step) => names.includes(name) || names.includes(groupOf(name))
  return stages.map((lanes) => lanes.map((lane) => lane.filter(isWanted)))
}

function groupOf(name: string): string {
  return name.split(':')[0] ?? name
}
