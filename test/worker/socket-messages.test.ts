import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkJson } from '../../worker/socket/json.ts'
import { parseMessage, type ClientMessage } from '../../worker/socket/message.ts'
import { chooseSubprotocol, ProtocolViolation } from '../../worker/socket/protocol.ts'
import { fillIn, refuseSql } from '../../worker/socket/stored-sql.ts'

function accepts(check: () => unknown): boolean {
  try {
    check()
    return true
  } catch (error) {
    if (error instanceof SyntaxError) return false
    throw error
  }
}

describe('JSON is checked without being decoded', () => {
  const pieces = fc.constantFrom(...Array.from('{}[]",:01-.e+\\u \n\u0000ß'), 'true', 'null', '0041')
  const damaged = fc
    .tuple(fc.json(), fc.nat(), fc.oneof(pieces, fc.constant('')))
    .map(([json, at, piece]) => json.slice(0, at % json.length) + piece + json.slice((at % json.length) + 1))

  test('what is JSON and what is not, as JSON.parse has it', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: pieces }), fc.json(), damaged), (text) => {
        expect(accepts(() => checkJson(text, 128))).toBe(accepts(() => JSON.parse(text)))
      }),
      { numRuns: 5_000, seed: 1 },
    )
  })

  test('it may nest as deep as that, and no deeper', () => {
    const nested = (depth: number): string => '[{"a":'.repeat(depth / 2) + '1' + '}]'.repeat(depth / 2)
    expect(accepts(() => checkJson(nested(128), 128))).toBe(true)
    expect(accepts(() => checkJson(nested(130), 128))).toBe(false)
    expect(accepts(() => checkJson('['.repeat(1_000_000), 128))).toBe(false)
  })
})

function closeOf(message: string | ArrayBuffer, version = 3): { code: number; reasonBytes: number } {
  try {
    parseMessage(message, version)
  } catch (error) {
    if (!(error instanceof ProtocolViolation)) throw error
    return { code: error.closeCode, reasonBytes: new TextEncoder().encode(error.message).length }
  }
  return { code: 1000, reasonBytes: 0 }
}

const request = (json: string, version = 3): Extract<ClientMessage, { type: 'request' }>['request'] => {
  const message = parseMessage(`{"type":"request","request_id":-7,"request":${json}}`, version)
  if (message.type !== 'request') throw new Error('not a request')
  expect(message.requestId).toBe(-7)
  return message.request
}

/** What a request is refused for, alone. */
const refusal = (json: string, version = 3): string => {
  const refused = request(json, version)
  return refused.type === 'refused' ? refused.error.message : 'accepted'
}

const upstream = (json: string, version = 3): unknown => {
  const parsed = request(json, version)
  if (parsed.type !== 'stream_request') throw new Error(JSON.stringify(parsed))
  return fillIn(parsed.request, new Map([[3, '"select \\u0033"']]))
}

describe('a message that cannot be answered closes the socket', () => {
  test.each([
    [1003, new ArrayBuffer(2)],
    [1007, ''],
    [1007, 'hello'],
    [1007, '[]'],
    [1007, 'null'],
    [1007, '{}'],
    [1007, '{"type":"goodbye"}'],
    [1007, '{"type":["hello"]}'],
    [1007, '{"type":"hello","jwt":1}'],
    [1007, '{"type":"hello","type":"request"}'],
    [1007, `{"type":"hello","jwt":"${'x'.repeat(9_000)}"}`],
    [1007, '{"type":"request","request":{"type":"close_sql","sql_id":1}}'],
    [1007, '{"type":"request","request_id":2147483648,"request":{}}'],
    [1007, '{"type":"request","request_id":1.5,"request":{}}'],
    [1007, '{"type":"request","request_id":1e3,"request":{}}'],
    [1007, '{"type":"request","request_id":"1","request":{}}'],
    [1007, `{"type":"hello","x":${'['.repeat(500)}${']'.repeat(500)}}`],
    [1009, ' '.repeat(8 * 1024 * 1024 + 1)],
  ])('%i', (code, message) => {
    const close = closeOf(message)
    expect(close.code).toBe(code)
    // A close frame holds no more.
    expect(close.reasonBytes).toBeLessThanOrEqual(123)
  })

  test('and a hello does not, whatever else is in it, and however it is written', () => {
    expect(parseMessage('{"type":"hello","jwt":null}', 2)).toMatchObject({ type: 'hello', jwt: null })
    expect(parseMessage('{"type":"hello"}', 2)).toMatchObject({ type: 'hello', jwt: null })
    expect(
      parseMessage(' { "x":{"type":1} , "jwt" : "a\\u0062", "typ\\u0065":"hel\\u006co" } ', 3),
    ).toMatchObject({
      type: 'hello',
      jwt: 'ab',
    })
  })
})

describe('a request that is wrong in itself is refused alone, saying why', () => {
  test.each([
    ['1', '"request" must be an object'],
    ['{}', 'The type of the request is not known'],
    ['{"type":"vacuum"}', 'The type of the request is not known'],
    ['{"type":"open_stream"}', '"stream_id" must be an integer from -2147483648 to 2147483647'],
    ['{"type":"open_stream","stream_id":1,"stream_id":2}', '"request" has a member twice'],
    ['{"type":"execute","stream_id":1}', '"stmt" must be an object'],
    ['{"type":"execute","stream_id":1,"stmt":{}}', '"stmt" must have either "sql" or "sql_id"'],
    [
      '{"type":"execute","stream_id":1,"stmt":{"sql":"","sql_id":1}}',
      '"stmt" must have either "sql" or "sql_id"',
    ],
    ['{"type":"execute","stream_id":1,"stmt":{"sql":5}}', '"stmt.sql" must be a string'],
    ['{"type":"execute","stream_id":1,"stmt":{"sql":"","args":{}}}', '"stmt.args" must be an array'],
    [
      '{"type":"execute","stream_id":1,"stmt":{"sql":"","args":[{"type":"null"},{"type":"date"}]}}',
      '"stmt.args[1].type" is not known',
    ],
    [
      '{"type":"execute","stream_id":1,"stmt":{"sql":"","args":[{"type":"integer","value":1}]}}',
      '"stmt.args[0].value" must be an integer of 64 bits, in a string',
    ],
    [
      '{"type":"execute","stream_id":1,"stmt":{"sql":"","args":[{"type":"integer","value":"9223372036854775808"}]}}',
      '"stmt.args[0].value" must be an integer of 64 bits, in a string',
    ],
    [
      '{"type":"execute","stream_id":1,"stmt":{"sql":"","args":[{"type":"float","value":null}]}}',
      '"stmt.args[0].value" must be a finite number',
    ],
    [
      '{"type":"execute","stream_id":1,"stmt":{"sql":"","args":[{"type":"float","value":1e400}]}}',
      '"stmt.args[0].value" must be a finite number',
    ],
    [
      '{"type":"execute","stream_id":1,"stmt":{"sql":"","args":[{"type":"text","value":"\\ud83d"}]}}',
      '"stmt.args[0].value" holds half of a surrogate pair',
    ],
    [
      '{"type":"execute","stream_id":1,"stmt":{"sql":"","args":[{"type":"blob","base64":"a-b_"}]}}',
      '"stmt.args[0].base64" must be base64',
    ],
    [
      '{"type":"execute","stream_id":1,"stmt":{"sql":"","named_args":[{"value":{"type":"null"}}]}}',
      '"stmt.named_args[0].name" must be a string',
    ],
    [
      '{"type":"execute","stream_id":1,"stmt":{"sql":"","want_rows":1}}',
      '"stmt.want_rows" must be true or false',
    ],
    ['{"type":"batch","stream_id":1,"batch":{}}', '"batch.steps" must be an array'],
    [
      '{"type":"batch","stream_id":1,"batch":{"steps":[{"condition":{"type":"ok","step":0},"stmt":{"sql":""}}]}}',
      '"batch.steps[0].condition.step" must be a step before this one',
    ],
    [
      '{"type":"batch","stream_id":1,"batch":{"steps":[{"condition":{"type":"not","cond":{"type":"xor"}},"stmt":{"sql":""}}]}}',
      '"batch.steps[0].condition.cond.type" is not known',
    ],
    ['{"type":"sequence","stream_id":1}', '"request" must have either "sql" or "sql_id"'],
    ['{"type":"store_sql","sql_id":1,"sql":null}', '"sql" must be a string'],
    [
      '{"type":"fetch_cursor","cursor_id":1,"max_count":-1}',
      '"max_count" must be an integer from 0 to 4294967295',
    ],
  ])('%s', (json, message) => {
    expect(refusal(json)).toBe(message)
  })

  test('what came with Hrana 3 is not known to Hrana 2', () => {
    const condition = '{"type":"or","conds":[{"type":"is_autocommit"}]}'
    for (const json of [
      '{"type":"get_autocommit","stream_id":1}',
      '{"type":"open_cursor","stream_id":1,"cursor_id":1,"batch":{"steps":[]}}',
      '{"type":"fetch_cursor","cursor_id":1,"max_count":1}',
      '{"type":"close_cursor","cursor_id":1}',
      `{"type":"batch","stream_id":1,"batch":{"steps":[{"condition":${condition},"stmt":{"sql":""}}]}}`,
    ]) {
      expect(refusal(json, 2)).toMatch(/only in hrana3$/)
      expect(refusal(json, 3)).toBe('accepted')
    }
  })
})

describe('a message is read, and not read again for each level of it', () => {
  /** How many characters are cut out of texts, of any size, while this runs. */
  function charactersCut(action: () => void): number {
    const original = Object.getOwnPropertyDescriptor(String.prototype, 'slice')!
    const slice = original.value as (this: string, start?: number, end?: number) => string
    let characters = 0
    Object.defineProperty(String.prototype, 'slice', {
      ...original,
      value(this: string, ...range: number[]) {
        const cut = slice.apply(this, range as [number?, number?])
        characters += cut.length
        return cut
      },
    })
    try {
      action()
    } finally {
      Object.defineProperty(String.prototype, 'slice', original)
    }
    return characters
  }

  const OK = '{"type":"ok","step":0}'
  const nested = (depth: number): string =>
    `${'{"type":"and","conds":['.repeat(depth)}${Array(2_000).fill(OK).join()}${']}'.repeat(depth)}`

  test.each([
    ['conditions in each other', `[{"stmt":{"sql":""}},{"condition":${nested(55)},"stmt":{"sql":""}}]`],
    ['many steps', `[${Array(2_000).fill('{"stmt":{"sql":"select 1","args":[{"type":"null"}]}}').join()}]`],
  ])('%s', (_, steps) => {
    const json = `{"type":"batch","stream_id":1,"batch":{"steps":${steps}}}`
    // As a part of the message, of the request, of the batch, and each small part once more.
    const cut = charactersCut(() => expect(refusal(json)).toBe('accepted'))
    expect(cut).toBeGreaterThan(json.length)
    expect(cut).toBeLessThan(6 * json.length)
  })
})

describe('what goes upstream', () => {
  test('is in few pieces, however many statements there are', () => {
    const batch = request(
      `{"type":"batch","stream_id":1,"batch":{"steps":[${Array(20_000).fill('{"stmt":{"sql":""}}').join()}]}}`,
    )
    expect(batch.type === 'stream_request' ? batch.request.length : NaN).toBeLessThan(50)
  })

  test('has the values as they were written, the stored texts, and nothing that is not known', () => {
    const stmt =
      '{"sql_id": 3 ,"sql":null, "x":[1], "args":[{"type":"float","value":-0.0},{"type":"text","value":"\\u0000\\ud83e\\udd8a"}],"named_args":null,"want_rows":false}'
    expect(upstream(`{"stmt":${stmt},"stream_id":1,"type":"execute"}`)).toEqual({
      json: '{"type":"execute","stmt":{"sql":"select \\u0033","args":[{"type":"float","value":-0.0},{"type":"text","value":"\\u0000\\ud83e\\udd8a"}],"want_rows":false}}',
    })
    const steps =
      '[{"stmt":{"sql":"a"},"condition":null},{"condition":{"type":"not","cond":{"type":"error","step":0}},"stmt":{"sql_id":3}}]'
    expect(upstream(`{"type":"batch","stream_id":1,"batch":{"steps":${steps}}}`, 2)).toEqual({
      json: '{"type":"batch","batch":{"steps":[{"stmt":{"sql":"a"}},{"condition":{"type":"not","cond":{"type":"error","step":0}},"stmt":{"sql":"select \\u0033"}}]}}',
    })
    expect(upstream('{"type":"describe","stream_id":1,"sql_id":3}')).toEqual({
      json: '{"type":"describe","sql":"select \\u0033"}',
    })
    expect(upstream('{"type":"get_autocommit","stream_id":1}')).toEqual({ json: '{"type":"get_autocommit"}' })
  })

  test('does not grow without bounds by naming a long text often, and names none that is not stored', () => {
    const steps = Array.from({ length: 200 }, () => '{"stmt":{"sql_id":1}}').join(',')
    const batch = request(`{"type":"batch","stream_id":1,"batch":{"steps":[${steps}]}}`)
    if (batch.type !== 'stream_request') throw new Error(batch.type)
    const long = JSON.stringify('x'.repeat(64 * 1024 - 2))
    expect(fillIn(batch.request, new Map([[1, long]]))).toMatchObject({
      error: { code: 'SQL_STORE_TOO_LARGE' },
    })
    expect(fillIn(batch.request, new Map())).toMatchObject({
      error: { code: 'SQL_NOT_STORED', message: 'SQL text 1 is not stored' },
    })
  })

  test('stored texts are bounded in size, in number and together', () => {
    const long = JSON.stringify('x'.repeat(64 * 1024 - 2))
    const full = new Map(Array.from({ length: 16 }, (_, id) => [id, long] as const))
    const many = new Map(Array.from({ length: 150 }, (_, id) => [id, '""'] as const))
    expect(refuseSql(new Map(), long)).toBeUndefined()
    expect(refuseSql(new Map(), `${long} `)).toMatchObject({ code: 'SQL_STORE_TOO_LARGE' })
    expect(refuseSql(full, '""')).toMatchObject({ code: 'SQL_STORE_TOO_LARGE' })
    expect(refuseSql(many, '""')).toMatchObject({ code: 'SQL_STORE_TOO_MANY' })
  })
})

test.each([
  ['hrana2', 'hrana2, hrana1'],
  ['hrana3', 'hrana3-protobuf, hrana3, hrana2, hrana1'],
  ['hrana3', 'HRANA2,Hrana3'],
  [undefined, 'hrana1'],
  [undefined, 'hrana3-protobuf'],
  [undefined, 'constructor'],
  [undefined, ''],
  [undefined, null],
])('%s is spoken with a client that offers %s', (name, offered) => {
  expect(chooseSubprotocol(offered)?.name).toBe(name)
})
