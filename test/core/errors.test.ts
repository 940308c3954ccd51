import { describe, expect, test } from 'vitest'
import { HttpError, isTursoError, SqlError, TimeoutError } from '../../src/index.ts'

describe('isTursoError', () => {
  test('tells by code, so it holds for an error that lost its class on the way', () => {
    const error = new SqlError('no such table: x', 'SQLITE_ERROR')
    const crossed = Object.assign(new Error(error.message), JSON.parse(JSON.stringify(error)))
    expect(isTursoError(error, 'sql_error')).toBe(true)
    expect(isTursoError(crossed, 'sql_error')).toBe(true)
    expect(isTursoError(error, 'timeout')).toBe(false)
  })

  test('is false for other errors, their codes included', () => {
    for (const other of [
      new Error('x'),
      Object.assign(new Error('x'), { code: 'ECONNREFUSED' }),
      null,
      'timeout',
    ])
      expect(isTursoError(other)).toBe(false)
    // Other libraries have such codes too.
    expect(isTursoError(Object.assign(new Error('x'), { code: 'not_found' }))).toBe(false)
    expect(isTursoError({ code: 'timeout' }, 'timeout')).toBe(false)
  })

  test('names and codes survive minification and are own properties, which RPC keeps', () => {
    const timeout = new TimeoutError('late', 5)
    expect(Object.fromEntries(Object.entries(timeout))).toMatchObject({
      name: 'TimeoutError',
      code: 'timeout',
      timeoutMs: 5,
    })
    const details = { status: 404, serverMessage: '', requestId: null, retryAfterMs: null }
    expect(Object.keys(new HttpError('not_found', 'x', details))).toContain('status')
  })
})
