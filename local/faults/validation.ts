/** Checks a script of faults that came from somewhere: a file, or a test without types. */
import { validateHeaderName, validateHeaderValue } from 'node:http'
import { isOperation } from './operations.ts'
import { FaultScriptError, type Fault, type FaultKind } from './script.ts'
import { mixOfEverything } from './mix.ts'

/** A script whose defaults are filled in. */
export interface CheckedScript {
  readonly seed: number
  readonly faults: Fault[]
}

/** Throws `FaultScriptError`, which names the entry and the field. */
export function checkScript(script: unknown): CheckedScript {
  if (typeof script === 'number') return { seed: checkSeed(script, 'the seed'), faults: mixOfEverything() }
  if (Array.isArray(script)) return { seed: 0, faults: checkFaults(script) }
  if (!isObject(script))
    throw new FaultScriptError('faults must be a seed, an array, or an object with "faults"')
  refuseUnknown(script, ['seed', 'faults'], 'the script')
  if (!Array.isArray(script['faults'])) throw new FaultScriptError('"faults" must be an array')
  return { seed: checkSeed(script['seed'] ?? 0, 'seed'), faults: checkFaults(script['faults']) }
}

/** Checks entries by themselves; `firstIndex` is the number of the first in messages. Throws `FaultScriptError`. */
export function checkFaults(faults: readonly unknown[], firstIndex = 0): Fault[] {
  return faults.map((fault, index) => checkFault(fault, `faults[${firstIndex + index}]`))
}

/** Says what a value must be, or nothing when it is that. */
type Check = (value: unknown) => string | undefined

const rule =
  (what: string, holds: (value: unknown) => boolean): Check =>
  (value) =>
    holds(value) ? undefined : what

const isNumber = (value: unknown, from: number, to: number): value is number =>
  typeof value === 'number' && value >= from && value <= to
const number = (what: string, from: number, to = Infinity) =>
  rule(what, (value) => isNumber(value, from, to) && Number.isFinite(value))
const integer = (what: string, from: number, to = Infinity) =>
  rule(what, (value) => isNumber(value, from, to) && Number.isSafeInteger(value))
const range = (what: string, to = Infinity) =>
  rule(`${what}, or two of them in ascending order`, (value) => {
    const [from, until] = Array.isArray(value) && value.length === 2 ? value : [value, value]
    return isNumber(from, 0, to) && isNumber(until, from, to) && Number.isFinite(until)
  })
const string = rule('a string', (value) => typeof value === 'string')
const filled = rule('a string with something in it', (value) => typeof value === 'string' && value !== '')
const headerValue = rule(
  'a string with something in it that HTTP can carry in a header',
  (value) => typeof value === 'string' && value !== '' && isHeader('x', value),
)
const boolean = rule('true or false', (value) => typeof value === 'boolean')

const TRIGGER: Record<string, Check> = {
  on: rule(
    'the name of an operation or "METHOD /path"',
    (value) => typeof value === 'string' && isOperation(value),
  ),
  containing: filled,
  nth: integer('a whole number from 1', 1),
  times: integer('a whole number from 1', 1),
  probability: number('a number from 0 to 1', 0, 1),
}

const milliseconds = range('a number of milliseconds')
const errorStatus = integer('a status from 500 to 599', 500, 599)

interface Fields {
  readonly required: Record<string, Check>
  readonly optional: Record<string, Check>
}

const KINDS: { readonly [kind in FaultKind['kind']]: Partial<Fields> } = {
  latency: { required: { ms: milliseconds } },
  rate_limited: {
    optional: {
      retryAfter: rule(
        'a number of seconds or a date',
        (value) => isNumber(value, 0, Number.MAX_VALUE) || !headerValue(value),
      ),
    },
  },
  server_error: { optional: { status: errorStatus, effect: boolean } },
  html: { optional: { status: errorStatus, effect: boolean } },
  reset_before: {},
  reset_after: {},
  truncated: {
    optional: {
      share: range('a number from 0 to 1', 1),
      ending: rule('"cut" or "clean"', (value) => value === 'cut' || value === 'clean'),
    },
  },
  slow_body: { required: { ms: milliseconds }, optional: { bytes: integer('a whole number from 1', 1) } },
  wrong_shape: { optional: { body: () => undefined, effect: boolean } },
  redirect: {
    required: { to: headerValue },
    optional: { status: integer('a status from 300 to 399', 300, 399) },
  },
  respond: {
    required: { status: integer('a status from 200 to 599', 200, 599) },
    optional: {
      headers: rule(
        'an object of strings that HTTP can carry in headers',
        (value) => isObject(value) && Object.entries(value).every(([name, header]) => isHeader(name, header)),
      ),
      body: string,
      effect: boolean,
    },
  },
  replace: { required: { from: filled, to: string } },
  stream_expired: {},
  restart: {},
  base_url: { required: { url: string } },
}

function checkFault(fault: unknown, where: string): Fault {
  if (!isObject(fault)) throw new FaultScriptError(`${where} must be an object`)
  const kind = fault['kind']
  if (typeof kind !== 'string' || !Object.hasOwn(KINDS, kind)) {
    throw new FaultScriptError(
      `${where}.kind must be one of ${Object.keys(KINDS).join(', ')}, not ${JSON.stringify(kind)}`,
    )
  }
  const { required = {}, optional = {} } = KINDS[kind as FaultKind['kind']]
  const fields = { ...required, ...optional, ...TRIGGER }
  refuseUnknown(fault, ['kind', ...Object.keys(fields)], where)
  for (const [name, check] of Object.entries(fields)) {
    const value = fault[name]
    if (value === undefined && !(name in required)) continue
    const expected = check(value)
    if (expected)
      throw new FaultScriptError(`${where}.${name} must be ${expected}, not ${JSON.stringify(value)}`)
  }
  if (fault['probability'] !== undefined && (fault['nth'] ?? fault['times']) !== undefined) {
    throw new FaultScriptError(`${where} has a probability, so it cannot have nth or times`)
  }
  if (fault['times'] !== undefined && fault['nth'] === undefined) {
    throw new FaultScriptError(`${where}.times needs nth, the first of them`)
  }
  if (kind === 'respond' && fault['body'] && BODILESS.has(fault['status'])) {
    throw new FaultScriptError(
      `${where}.body must be left out, because an answer with status ${String(fault['status'])} has none`,
    )
  }
  return fault as unknown as Fault
}

/** Statuses from 200 whose answers never have a body. */
const BODILESS: ReadonlySet<unknown> = new Set([204, 205, 304])

function isHeader(name: string, value: unknown): boolean {
  if (typeof value !== 'string') return false
  try {
    validateHeaderName(name)
    validateHeaderValue(name, value)
    return true
  } catch {
    return false
  }
}

function refuseUnknown(fields: Record<string, unknown>, known: string[], where: string): void {
  const unknown = Object.keys(fields).find((name) => !known.includes(name))
  if (unknown === undefined) return
  throw new FaultScriptError(`${where} has an unknown field "${unknown}"; known are ${known.join(', ')}`)
}

function checkSeed(seed: unknown, what: string): number {
  const expected = integer('a whole number from 0 to 4294967295', 0, 0xffffffff)(seed)
  if (expected) throw new FaultScriptError(`${what} must be ${expected}, not ${JSON.stringify(seed)}`)
  return seed as number
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
