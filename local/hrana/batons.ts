/** Batons in sqld's format: base64 of stream id, sequence number and HMAC-SHA256 of both, without padding. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Behaviour } from '../behaviour.ts'
import { HttpFailure, ProtocolFailure, StreamExpired } from '../errors.ts'

/** What a baton says: which stream, and which use of it. */
export interface Baton {
  readonly streamId: bigint
  readonly sequence: bigint
}

export interface Batons {
  sign(baton: Baton): string
  /** `malformed` when it is no baton at all, `forged` when it was not signed here. */
  verify(text: string): Baton | 'malformed' | 'forged'
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
      if (!/^[A-Za-z0-9+/]{64}$/.test(text)) return 'malformed'
      const bytes = Buffer.from(text, 'base64')
      const payload = bytes.subarray(0, 16)
      if (!timingSafeEqual(bytes.subarray(16), authenticate(payload))) return 'forged'
      return { streamId: payload.readBigUInt64BE(0), sequence: payload.readBigUInt64BE(8) }
    },
  }
}

/** Why a baton cannot be used: `unknown` is one whose stream is closed or was never here. */
export type UnusableBaton = 'malformed' | 'unknown' | 'expired' | 'used'

/** The refusal of a baton, in the words of the server that is imitated. */
export function refuseBaton(
  reason: UnusableBaton,
  text: string,
  { unusableBaton }: Behaviour,
): ProtocolFailure | StreamExpired | HttpFailure {
  if (unusableBaton === 'as_unknown') {
    if (reason === 'malformed') return new HttpFailure(400, 'malformed baton')
    const id = Buffer.from(text, 'base64').subarray(0, 8).toString('hex')
    return new HttpFailure(404, `stream not found: ${id.slice(0, 8)}:${id.slice(8)}`)
  }
  if (reason === 'expired') return new StreamExpired()
  return new ProtocolFailure(
    reason === 'used' ? 'Received a baton that has already been used' : 'Received an invalid baton',
  )
}

/** A random number that fits a baton. */
export function randomUint64(): bigint {
  return randomBytes(8).readBigUInt64BE()
}
