/**
 * `node bench/row-lengths.ts`: what reading an answer takes, as a ratio to `JSON.parse` of it, by the length of its rows and
 * by what is in them.
 */
import { parseAnswer } from '../src/hrana/answer.ts'
import { decodeResult } from '../src/hrana/result.ts'
import type { WirePipelineResponse, WireValue } from '../src/hrana/wire.ts'

const LENGTHS = [20, 100, 200, 400, 700, 2_000, 8_000, 33_000, 60_000, 70_000, 300_000]
const ANSWER_CHARACTERS = 4e6
const MEASURED_MS = 250

const repeat = (text: string, length: number): string =>
  text.repeat(Math.ceil(length / text.length)).slice(0, length)

const KINDS: Readonly<Record<string, (length: number) => WireValue>> = {
  ASCII: (length) => ({ type: 'text', value: repeat('lorem ipsum dolor ', length) }),
  Unicode: (length) => ({ type: 'text', value: repeat('lorem ipsum dolör€ ', length) }),
  escapes: (length) => ({ type: 'text', value: repeat('a line of "text"\nand ', length) }),
  blobs: (length) => ({ type: 'blob', base64: 'AbCd'.repeat(length / 4) }),
}

function answerOf(value: WireValue, rows: number): string {
  const result = {
    cols: ['id', 'value', 'nothing'].map((name) => ({ name, decltype: null })),
    rows: Array.from({ length: rows }, (_, id) => [
      { type: 'integer', value: String(id) },
      value,
      { type: 'null' },
    ]),
  }
  const text = JSON.stringify({
    baton: null,
    results: [{ type: 'ok', response: { type: 'execute', result } }],
  })
  // As a body is decoded: in one piece, and of one byte for each character where that is enough.
  return new TextDecoder().decode(new TextEncoder().encode(text))
}

/** The best time of many: other processes only ever make it longer. */
function measure(work: () => void): number {
  const startedAt = performance.now()
  let best = Infinity
  for (let count = 0; count < 5 || performance.now() - startedAt < MEASURED_MS; count++) {
    const before = performance.now()
    work()
    best = Math.min(best, performance.now() - before)
  }
  return best
}

function read(text: string): void {
  const [answered] = (parseAnswer(text) as WirePipelineResponse).results
  if (answered?.type === 'ok' && answered.response.type === 'execute')
    decodeResult(answered.response.result, {})
}

console.log(
  `${'characters of a row’s value'.padEnd(30)}${Object.keys(KINDS)
    .map((kind) => kind.padStart(9))
    .join('')}`,
)
for (const length of LENGTHS) {
  const ratios = Object.values(KINDS).map((make) => {
    const text = answerOf(make(length), Math.ceil(ANSWER_CHARACTERS / length))
    return measure(() => read(text)) / measure(() => void JSON.parse(text))
  })
  console.log(
    `${String(length).padStart(27)}   ${ratios.map((ratio) => ratio.toFixed(2).padStart(9)).join('')}`,
  )
}
