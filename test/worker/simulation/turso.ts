/** A Turso of few words that loses answers, comes late and does things twice. Says what it did to whoever watches. */
import type { Claim, Effect, EffectResult, Failure } from '../../../worker/saga/state.ts'
import type { Random } from './random.ts'

export const SCHEMA_VERSION = 3

export interface SimulatedDatabase {
  name: string
  /** When its host knows it. */
  servedFrom: number
  hasSchema: boolean
  isBlocked: boolean
  template: string | null
  /** As its mark says. */
  owner: { tenant: string; nonce: string } | null
  /** Made by somebody else, who has the same name by chance. */
  isForeign: boolean
  /** Whether there is something in it that is not of this Worker. */
  hasForeignData: boolean
}

export interface SimulatedTurso {
  databases: Map<string, SimulatedDatabase>
  /** Names of which one was deleted. */
  deleted: Set<string>
  /** Databases of which a call was refused for good. */
  refused: Set<string>
  /** Somebody else makes a database, if nobody ever has; and fills it, unless it has become a tenant's. */
  makeForeign: (name: string) => void
  fillForeign: (name: string) => void
  /** Sends a call on its way: what it does and how it is answered, each at its time. */
  send: (effect: Effect, token: string | null, answer: Answer) => void
}

/**
 * @param token if one was minted
 * @param status of HTTP; that of a call that was not answered is a gateway's
 */
export type Answer = (result: EffectResult, token: string | null, status: number) => void

export interface TursoWorld {
  random: Random
  /** True time, in milliseconds. */
  now: () => number
  /** Has something done after so many milliseconds. */
  after: (ms: number, action: () => void) => void
  /** Whether faults still happen. */
  isFaulty: () => boolean
  /** How long a request whose caller has given up may still be on its way. */
  latestMs: number
  /** Called after each call that did something. */
  changed: () => void
  violated: (what: string) => never
}

const LONGEST_CALL_MS = 10_000

type Fate =
  | 'fine'
  | 'lost_before'
  | 'lost_after'
  | 'late'
  | 'twice'
  | 'rate_limited'
  | 'overloaded'
  | 'refused'
  | 'unauthorized'

const FATES: readonly Fate[] = [
  'lost_before',
  'lost_after',
  'lost_after',
  'late',
  'late',
  'twice',
  'rate_limited',
  'overloaded',
  'refused',
  'unauthorized',
]

/** @param faultiness probability that a call meets a fault */
export function createTurso(world: TursoWorld, faultiness: number): SimulatedTurso {
  const { random, now, after, isFaulty, latestMs, changed, violated } = world
  const databases = new Map<string, SimulatedDatabase>()
  const deleted = new Set<string>()
  const refused = new Set<string>()
  let tokens = 0

  function act(effect: Effect, token: string | null): { result: EffectResult; token: string | null } {
    const found = databases.get(effect.name)
    const isServed = found !== undefined && found.servedFrom <= now()
    const done = (more: Partial<EffectResult> = {}, minted: string | null = null) => ({
      result: { kind: 'done', requestId: null, ...more } as EffectResult,
      token: minted,
    })
    const no = (reason: Failure['reason']) => ({ result: failed(reason, true), token: null })
    const database = { id: `id of ${effect.name}`, hostname: `${effect.name}.example`, location: null }
    switch (effect.kind) {
      case 'create_database': {
        if (found) return no('exists')
        const servedFrom = now() + (random.chance(0.3) ? random.between(0, 8_000) : 0)
        databases.set(effect.name, {
          name: effect.name,
          servedFrom,
          hasSchema: false,
          isBlocked: false,
          template: effect.template,
          owner: null,
          isForeign: false,
          hasForeignData: false,
        })
        return done({ database })
      }
      case 'find_database':
        if (!found) return no('missing')
        return found.template === effect.template ? done({ database }) : no('foreign')
      case 'create_token':
        tokens += 1
        return found ? done({}, `SECRET ${tokens} for ${effect.name}`) : no('missing')
      case 'migrate':
        if (!found || !isServed) return no('missing')
        if (token === null || !token.endsWith(` for ${effect.name}`))
          violated(`I3: the schema of ${effect.name} was applied with the token ${token}`)
        if (!isOwn(found, effect.claim, effect.isProven)) return no('foreign')
        if (!found.isForeign && (effect.beginning === 'seeded') !== (found.template !== null))
          violated(`I3: ${effect.name} is a copy of ${found.template}, and ${effect.beginning} to the saga`)
        // A late one, of a signup that is long over.
        if (found.isBlocked) return no('refused')
        found.hasSchema = true
        found.owner = { tenant: effect.claim.tenant, nonce: effect.claim.nonce }
        return done({ schemaVersion: SCHEMA_VERSION })
      case 'block_database':
      case 'unblock_database':
        if (!found) return no('missing')
        found.isBlocked = effect.kind === 'block_database'
        return done()
      case 'delete_database':
        if (!found) return no('missing')
        if (effect.unproven !== null) {
          if (effect.unproven.isCopy !== (found.template !== null)) return no('foreign')
          if (!isServed) return no('unavailable')
          if (!isOwn(found, effect.unproven, false)) return no('foreign')
        }
        if (found.hasForeignData) violated(`I13: ${effect.name} is somebody else's, and was deleted`)
        databases.delete(effect.name)
        deleted.add(effect.name)
        return done()
    }
  }

  function carryOut(effect: Effect, token: string | null): ReturnType<typeof act> {
    const acted = act(effect, token)
    changed()
    return acted
  }

  return {
    databases,
    deleted,
    refused,
    makeForeign(name) {
      if (databases.has(name) || deleted.has(name)) return
      databases.set(name, {
        name,
        servedFrom: now(),
        hasSchema: false,
        isBlocked: false,
        template: null,
        owner: null,
        isForeign: true,
        hasForeignData: false,
      })
    },
    fillForeign(name) {
      const found = databases.get(name)
      if (!found?.isForeign || found.owner !== null) return
      found.hasForeignData = true
      if (random.chance(0.5)) found.owner = { tenant: 'somebody', nonce: 'else' }
    },
    send(effect, token, answer) {
      const fate: Fate = isFaulty() && random.chance(faultiness) ? random.pick(FATES) : 'fine'
      const ms = random.between(1, 400)
      const askedMs = random.chance(0.3) ? random.between(0, 100_000) : null
      const lose = (afterMs: number): void =>
        after(afterMs, () => answer(failed('unavailable', false, askedMs), null, 504))
      switch (fate) {
        case 'lost_before':
          return lose(random.chance(0.5) ? ms : LONGEST_CALL_MS)
        case 'lost_after':
          after(ms, () => carryOut(effect, token))
          return lose(random.chance(0.5) ? ms + 1 : LONGEST_CALL_MS)
        case 'late':
          after(random.between(ms, latestMs), () => carryOut(effect, token))
          return lose(random.between(1, LONGEST_CALL_MS))
        case 'rate_limited':
          return after(ms, () => answer(failed('unavailable', true, askedMs), null, 429))
        case 'overloaded':
          return lose(ms)
        case 'unauthorized':
          // The platform token is everybody's, that of a database is this tenant's.
          if (effect.kind === 'migrate') refused.add(effect.name)
          return after(ms, () => answer(failed(fate, true), null, 401))
        case 'refused':
          if (!effect.kind.endsWith('block_database')) refused.add(effect.name)
          return after(ms, () => answer(failed(fate, true), null, 400))
        case 'twice': {
          // Whoever has sent it is told how one of them went.
          const isFirst = random.chance(0.5)
          if (!isFirst) after(ms, () => carryOut(effect, token))
          break
        }
        case 'fine':
      }
      return after(ms, () => {
        const { result, token: minted } = carryOut(effect, token)
        if (fate === 'twice' && effect.kind !== 'create_database') carryOut(effect, token)
        after(random.between(0, 100), () => answer(result, minted, result.kind === 'done' ? 200 : 404))
      })
    },
  }
}

/** As `worker/schema/owner.ts` has it. */
function isOwn({ owner, hasForeignData }: SimulatedDatabase, own: Claim, isProven: boolean): boolean {
  if (owner !== null) return owner.tenant === own.tenant && owner.nonce === own.nonce
  return isProven || !hasForeignData
}

export function failed(
  reason: Failure['reason'],
  isHarmless: boolean,
  retryAfterMs: number | null = null,
): EffectResult {
  return {
    kind: 'failed',
    reason,
    detail: reason,
    isHarmless,
    isInvalid: false,
    retryAfterMs,
    requestId: null,
  }
}
