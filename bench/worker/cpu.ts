/** What a pipeline that passes through costs the processor, beside the same Worker parsing both bodies and writing them again. */
import { send } from './load.ts'
import { workerCpuMs } from '../../test/support/stack/processes.ts'
import { signUp } from './signups.ts'
import type { SourceChange } from '../../test/support/stack/bundle.ts'
import { startStack, type Stack } from '../../test/support/stack/stack.ts'

export interface CpuRow {
  what: string
  /** Milliseconds of workerd's processes for a request. */
  passed: number
  reencoded: number
}

/** The Worker that it could have been: it decodes what comes from either side, and encodes it for the other. */
export const REENCODING: readonly SourceChange[] = [
  {
    file: 'worker/hrana/pipeline-request.ts',
    from: `  const { baton, text, value: requests } = parseBody(body, 'requests')
  if (CLOSES.test(text.slice(-CLOSE_CHARACTERS))) return { baton, requests, endsWithClose: true }
  const last = orRefuse(() => sliceLastElement(text) ?? null, 'requests', 'must be an array')
  const type = last === null ? null : orRefuse(() => readType(last), 'requests', 'must end with a request')
  return { baton, requests, endsWithClose: type === 'close' }`,
    to: `  const { baton, requests } = JSON.parse(UTF_8.decode(body))
  const bytes = new TextEncoder().encode(JSON.stringify(requests))
  return { baton, requests: bytes, endsWithClose: requests.at(-1)?.type === 'close' }`,
  },
  {
    file: 'worker/gateway/pass-through.ts',
    from: `  const reader = body.getReader()
  const head: Uint8Array[] = []`,
    to: `  if (body !== null) {
    const { results } = await new Response(body).json()
    return JSON.stringify({ baton: null, base_url: null, results })
  }
  const reader = body.getReader()
  const head: Uint8Array[] = []`,
  },
]

const ROUNDS = 5

/** @returns nothing where the system does not tell the time of processes */
export async function measureCpu(count: number): Promise<CpuRow[]> {
  const stacks = [await startStack(0), await startStack(0, { changes: REENCODING })]
  try {
    const [passing, reencoding] = await Promise.all(stacks.map(openPipeline))
    const rows: CpuRow[] = []
    for (const { what, requests, share } of PIPELINES) {
      const times = Math.max(5, Math.ceil(count * share))
      // To warm both, and to see that they answer alike.
      const answers = [await passing!(requests, times), await reencoding!(requests, times)]
      if (answers[0] !== answers[1]) throw new Error(`${what}: the two answer differently`)
      let [passed, reencoded] = [0, 0]
      // In turn: the machine is never quiet.
      for (let round = 0; round < ROUNDS; round++) {
        passed += await cpuOf(() => passing!(requests, times))
        reencoded += await cpuOf(() => reencoding!(requests, times))
      }
      const total = ROUNDS * times
      if (reencoded > 0) rows.push({ what, passed: passed / total, reencoded: reencoded / total })
    }
    return rows
  } finally {
    for (const stack of stacks) await stack.close()
  }
}

/** Of all that run; what is not asked does nothing. */
async function cpuOf(act: () => Promise<unknown>): Promise<number> {
  const before = await workerCpuMs()
  await act()
  return (await workerCpuMs()) - before
}

const execute = (sql: string, args: object[] = []) => ({ type: 'execute', stmt: { sql, args } })
const series = (rows: number): string =>
  `with recursive c (n) as (select 1 union all select n + 1 from c where n < ${rows}) select n, hex(zeroblob(30)) from c`

const PIPELINES = [
  { what: '1 statement', requests: [execute('select 1')], share: 1 },
  {
    what: '100 statements of 200 bytes',
    requests: Array<object>(100).fill(execute('select ?', [{ type: 'text', value: 'x'.repeat(100) }])),
    share: 0.3,
  },
  {
    what: '1 statement of 1 MiB',
    requests: [execute(`select length('${'x'.repeat(2 ** 20)}')`)],
    share: 0.1,
  },
  { what: '1 statement, 10,000 rows, 1 MB', requests: [execute(series(10_000))], share: 0.1 },
]

type Pipeline = (requests: object[], times: number) => Promise<string>

/** One after the other; returns the last answer, without what no two have alike. */
async function openPipeline(stack: Stack): Promise<Pipeline> {
  const { gateway_url, jwt } = await signUp(stack)
  return async (requests, times) => {
    const body = JSON.stringify({ baton: null, requests: [...requests, { type: 'close' }] })
    let answer: unknown
    for (let n = 0; n < times; n++) answer = await send('POST', `${gateway_url}v3/pipeline`, jwt, body)
    return JSON.stringify(answer).replaceAll(/"query_duration_ms":[\d.e-]+/g, '')
  }
}
