/** The leases of one object's streams: asked for before an upstream stream is opened, renewed while it is used, given back. */
import { readConfiguration } from '../configuration.ts'
import type { HranaError } from '../hrana/error.ts'
import { answerWithin } from '../deadline.ts'
import { OBJECT_CALL_MS, SESSION_LEASE_MS } from '../limits.ts'
import { errorText, log } from '../log.ts'
import { named } from './location-hint.ts'
import type { Admission as Answer, LeaseRequest } from './leases.ts'
import type { Holder } from './store.ts'

export interface Admission {
  /** A stream begins: it has no place, and nobody is told of its end as long as none is asked for. */
  begin: (streamId: string) => void
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
  const objectId = object.id.toString()
  /** As far as this instance knows, for an earlier one may have had others admitted. 0: it has no place. */
  const heldUntil = new Map<string, number>()
  /** What was told last of each stream, until it is done. */
  const underWay = new Map<string, Promise<unknown>>()

  const registryOf = ({ tenantId }: Holder) =>
    named(env.TENANT_SESSIONS, tenantId, readConfiguration(env).jurisdiction)
  const leaseOf = ({ kind, hint }: Holder, streamId: string): LeaseRequest => ({
    id: kind !== 'websocket' ? objectId : `${objectId}/${streamId}`,
    kind,
    hint,
  })

  /**
   * Calls may overtake each other on their way, so what is told of a stream waits for what was told of it before.
   *
   * @returns `undefined` if it failed: who only counts must not stand in the way, and each lease ends by itself
   */
  async function tell<T>(
    streamId: string,
    call: (registry: ReturnType<typeof registryOf>, lease: LeaseRequest) => Promise<T>,
  ): Promise<T | undefined> {
    const known = holder()
    if (known === null) return undefined
    const before = underWay.get(streamId)
    const told = (async () => {
      await before
      return await answerWithin(OBJECT_CALL_MS, call(registryOf(known), leaseOf(known, streamId)))
    })().catch((error: unknown) => {
      log('warn', 'admission_failed', { tenant: known.tenantId, detail: errorText(error) })
      return undefined
    })
    underWay.set(streamId, told)
    const answer = await told
    if (underWay.get(streamId) === told) underWay.delete(streamId)
    return answer
  }

  async function admit(
    streamId: string,
    { isDispensable }: { isDispensable: boolean },
  ): Promise<HranaError | null> {
    const answer = await tell(streamId, async (registry, lease) => {
      // Until there is an answer, it may have one.
      heldUntil.delete(streamId)
      const admission: Answer = await registry.admit(lease, isDispensable)
      heldUntil.set(streamId, admission.kind === 'admitted' ? admission.until : 0)
      return admission
    })
    return answer === undefined || answer.kind === 'admitted' ? null : refusalOf(answer)
  }

  return {
    begin(streamId) {
      // Else an earlier stream of this id has a place that is just given back.
      if (!underWay.has(streamId)) heldUntil.set(streamId, 0)
    },
    admit,
    touch(streamId) {
      const until = heldUntil.get(streamId) ?? 0
      if (until - Date.now() < SESSION_LEASE_MS / 2 && !underWay.has(streamId))
        object.waitUntil(admit(streamId, { isDispensable: false }))
    },
    release(streamId) {
      object.waitUntil(
        tell(streamId, async (registry, { id }) => {
          const until = heldUntil.get(streamId)
          heldUntil.delete(streamId)
          if (until !== 0) await registry.release(id)
        }),
      )
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
    message: `An operator lets no session of this tenant begin until ${new Date(answer.until).toISOString()}. This request did not run.`,
    retryAfterMs: Math.max(0, answer.until - Date.now()),
  }
}

/** Most sessions are over within seconds. */
const RETRY_FULL_MS = 2_000
