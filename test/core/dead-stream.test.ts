import { describe, expect, test } from 'vitest'
import { isDeadStream } from '../../src/index.ts'

describe('isDeadStream', () => {
  test.each([
    [400, '{"message":"The stream has expired due to inactivity","code":"STREAM_EXPIRED"}'],
    [400, 'Received an invalid baton'],
    [
      400,
      'The session was closed by an operator. This request did not run. A transaction that was open on the stream is rolled back, and its settings are gone.',
    ],
    [404, '{"error":"stream not found: 0a1b2c3d:6f9619ff-8b86-d011-b42d-00cf4fc964ff"}'],
  ])('%i %s is one', (status, text) => expect(isDeadStream(status, text)).toBe(true))

  test.each([
    [400, 'Received a baton that has already been used'],
    [400, 'The session was closed by an operator. Whether what was last sent on it took effect is unknown.'],
    [429, 'The tenant has 2 sessions that hold a stream, which is its limit. This request did not run.'],
    [404, '{"error":"Namespace `x` doesn\'t exist"}'],
    [401, '{"error":"Unauthorized"}'],
    [500, 'Received an invalid baton'],
    [400, ''],
  ])('%i %s is none', (status, text) => expect(isDeadStream(status, text)).toBe(false))
})
