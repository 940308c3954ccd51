/** Batons in sqld's format: base64 of stream id, sequence number and HMAC-SHA256 of both, without padding. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** What a baton says: which stream, and which use of it. */
export interface Baton {
  readonly streamId: bigint
  readonly sequence: bigint
}

export interface Batons {
  sign(baton: Baton): string
  /** `undefined` when it is malformed or was not signed here. */
  verify(text: string): Baton | undefined
}

/** The key is new for every process, so no baton survives a restart. */
export function createBatons(): Batons {
  const key = randomBytes(32)
  const authenticate = (payload: Uint8Array) => createHmac('sha256', key).update(payload).digest()

  return {
    sign({ streamId, sequence }) {
      const payload = Buffer.alloc(16)
      payload.writeBigUInt64BE(streamId, 0)
      payload.writeBigUInt64BE(sequence, 8)
      return Buffer.concat([payload, authenticate(payload)]).toString('base64')
    },
    verify(text) {
      if (!/^[A-Za-z0-9+/]{64}$/.test(text)) return undefined
      const bytes = Buffer.from(text, 'base64')
      const payload = bytes.subarray(0, 16)
      if (!timingSafeEqual(bytes.subarray(16), authenticate(payload))) return undefined
      return { streamId: payload.readBigUInt64BE(0), sequence: payload.readBigUInt64BE(8) }
    },
  }
}

/** A random number that fits a baton. */
export function randomUint64(): bigint {
  return randomBytes(8).readBigUInt64BE()
}
