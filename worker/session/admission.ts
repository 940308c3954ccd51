/** The leases of one object's streams: asked for before an upstream stream is opened, renewed while it is used, given back. */
import { readConfiguration } from '../configuration.ts'
import type { HranaError } from '../hrana-error.ts'
import { SESSION_LEASE_MS } from '../limits.ts'
import { errorText, log } from '../log.ts'
import { named } from '../placement.ts'
import type { Admission as Answer, LeaseRequest } from './leases.ts'
import type { Holder } from './store.ts'

export interface Admission {
  /**
   * @param need `isDispensable`: what wants the place can do without it, and does when many have one
   * @returns what the client is told instead, if no stream may be opened for it
   */
  admit: (streamId: string, need: { isDispensable: boolean }) => Promise<HranaError | null>
  /** To be called with each use; renews what would end soon. */
  touch: (streamId: string) => void
  release: (streamId: string) => void
}

/** @param holder `null` as long as it is not known whose streams these are: then nothing is counted */
export function createAdmission(
  env: Env,
  object: Pick<DurableObjectState, 'id' | 'waitUntil'>,
  holder: () => Holder | null,
): Admission {
  /** Those that have asked for a place and not let go of it since, although it may not have come yet. */
  const wanted = new Set<string>()
  const objectId = object.id.toString()
  const heldUntil = new Map<string, number>()

  const registry = ({ tenantId }: Holder) =>
    named(env.TENANT_SESSIONS, tenantId, readConfiguration(env).jurisdiction)
  const leaseOf = ({ kind, hint }: Holder, streamId: string): LeaseRequest => ({
    id: kind !== 'websocket' ? objectId : `${objectId}/${streamId}`,
    kind,
    hint,
  })

  async function admit(
    streamId: string,
    { isDispensable }: { isDispensable: boolean },
  ): Promise<HranaError | null> {
    const known = holder()
    if (known === null) return null
    wanted.add(streamId)
    let answer: Answer
    try {
      answer = await registry(known).admit(leaseOf(known, streamId), isDispensable)
    } catch (error) {
      // Who only counts must not stand in the way.
      log('warn', 'admission_failed', { tenant: known.tenantId, detail: errorText(error) })
      return null
    }
    if (answer.kind !== 'admitted') return refusalOf(answer)
    if (wanted.has(streamId)) heldUntil.set(streamId, answer.until)
    else giveBack(known, streamId)
    return null
  }

  function giveBack(known: Holder, streamId: string): void {
    // If it fails, the lease ends by itself.
    object.waitUntil(
      registry(known)
        .release(leaseOf(known, streamId).id)
        .catch(() => undefined),
    )
  }

  return {
    admit,
    touch(streamId) {
      const until = heldUntil.get(streamId)
      if (until !== undefined && until - Date.now() < SESSION_LEASE_MS / 2)
        object.waitUntil(admit(streamId, { isDispensable: false }))
    },
    release(streamId) {
      wanted.delete(streamId)
      const known = holder()
      if (heldUntil.delete(streamId) && known !== null) giveBack(known, streamId)
    },
  }
}

function refusalOf(answer: Exclude<Answer, { kind: 'admitted' }>): HranaError {
  if (answer.kind === 'full')
    return {
      status: 429,
      code: 'SESSION_LIMIT',
      message: `The tenant has ${answer.limit} sessions that hold a stream, which is its limit. This request did not run.`,
      retryAfterMs: RETRY_FULL_MS,
    }
  return {
    status: 503,
    code: 'SESSIONS_DRAINED',
    message: 'No session of this tenant may begin for the time being. This request did not run.',
    retryAfterMs: Math.max(0, answer.until - Date.now()),
  }
}

/** Most sessions are over within seconds. */
const RETRY_FULL_MS = 2_000
