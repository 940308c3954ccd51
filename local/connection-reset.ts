/**
 * A connection that is cut before its answer: what `fetch` rejects with in Node when the other side resets, so that a
 * client cannot tell the local Turso in its own process from one behind a socket. `serve.ts` resets the socket.
 */
export class ConnectionReset extends TypeError {
  constructor() {
    super('fetch failed', { cause: Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }) })
  }
}

/** The same in the middle of a body, as undici says it. */
export function bodyReset(): TypeError {
  return new TypeError('terminated', {
    cause: Object.assign(new Error('other side closed'), { code: 'UND_ERR_SOCKET' }),
  })
}
