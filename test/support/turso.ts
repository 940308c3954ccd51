/** Fixtures that run in Node and in workerd alike: there, the global fetch reaches the local Turso. */
import type { BehaviourName } from '../../local/behaviour.ts'
import type { Fault } from '../../local/faults/script.ts'
import {
  connect,
  createPlatform,
  type ConnectOptions,
  type Database,
  type Platform,
} from '../../src/index.ts'
import type { HoldOrder } from './hold-order.ts'

export const PLATFORM_TOKEN = 'local-platform-token'

/** All of them, for what ends in the hands of the runtime however the server is: bodies that are cut off. */
export const EVERY_BEHAVIOUR: readonly BehaviourName[] = ['spec', 'sqld', 'cloud']

/**
 * The servers that a test of the client meets: all in Node, and in workerd the one that Workers talk to. Servers differ in
 * what they answer, runtimes in how it is sent and read, so not every server has to meet every runtime.
 */
export const BEHAVIOUR_NAMES: readonly BehaviourName[] =
  navigator.userAgent === 'Cloudflare-Workers' ? ['cloud'] : EVERY_BEHAVIOUR

export interface TestDatabase {
  name: string
  hostname: string
  token: string
  database: Database
}

/** Requests that wait for the test. */
export interface Hold {
  /** Resolves once something is held. */
  reached: () => Promise<void>
  /** Resolves once Turso is done with all that was held. */
  letGo: () => Promise<void>
}

/** A local Turso, and what a test may do to it. */
export interface TestTurso {
  platform: () => Platform
  /** A fresh database, and a client for it. */
  createDatabase: (options?: Partial<ConnectOptions>) => Promise<TestDatabase>
  /** Makes it fail as the fault says, the next time that a request matches it, or from there on `times`. */
  failNext: (fault: Fault) => Promise<void>
  /** Keeps the next request that is like that waiting, until it is let go or the faults are cleared. */
  holdNext: (on: string, order?: Omit<HoldOrder, 'on'>) => Promise<Hold>
  /** From now on the Platform API takes so many requests in a window of time, and refuses the others with 429. */
  limitRequests: (limit: { requests: number; windowMs: number; retryAfter?: boolean }) => Promise<void>
  /** Forgets all faults and holds, the limit, and the log of requests. */
  clearFaults: () => Promise<void>
  /** `METHOD host/path`, and the status if it is the limit's, of every request that reached it since the last call. */
  requestsSeen: () => Promise<string[]>
  openStreams: () => Promise<{ database: string; inTransaction: boolean }[]>
  /** Streams idle for 10 s expire; a transaction of 5 s loses the write lock to whoever waits for it. */
  advanceClock: (ms: number) => Promise<void>
}

function tursoOf(organization: string): TestTurso {
  const control = (path: string, body?: unknown): Promise<Response> =>
    fetch(`https://control.test/${path}?organization=${organization}`, {
      method: 'POST',
      body: JSON.stringify(body ?? null),
    })
  const platform = (): Platform => createPlatform({ token: PLATFORM_TOKEN, organization })
  return {
    platform,
    async createDatabase(options) {
      const { databases } = platform()
      const { name, hostname } = await databases.create(uniqueName('test'), { location: 'aws-eu-west-1' })
      const token = await databases.createToken(name)
      const database = connect({ url: `libsql://${hostname}`, authToken: token, ...options })
      return { name, hostname, token, database }
    },
    failNext: async (fault) => void (await control('fail', { nth: 1, ...fault })),
    async holdNext(on, order) {
      const hold: unknown = await (await control('hold', { ...order, on })).json()
      return {
        reached: async () => void (await control('reached', hold)),
        letGo: async () => void (await control('let-go', hold)),
      }
    },
    limitRequests: async (limit) => void (await control('limit', limit)),
    clearFaults: async () => void (await control('clear')),
    requestsSeen: async () => await (await control('requests')).json(),
    openStreams: async () => await (await control('streams')).json(),
    advanceClock: async (ms) => void (await control('advance', ms)),
  }
}

/** A local Turso for the caller alone, with a clock that can be put forward. */
export async function startTurso(options: {
  behaviour: BehaviourName
  maxResponseBytes?: number
}): Promise<TestTurso> {
  const started = await fetch('https://control.test/start', {
    method: 'POST',
    body: JSON.stringify(options),
  })
  return tursoOf(await started.json())
}

/** As specified, and shared by the files of a project. */
export const {
  platform: localPlatform,
  failNext,
  holdNext,
  limitRequests,
  clearFaults,
  requestsSeen,
  openStreams,
} = tursoOf('local')

/** A fresh database, and a client for it. */
export const createTestDatabase = (): Promise<TestDatabase> => tursoOf('local').createDatabase()

let counter = 0

/** A name that no other test has; the local Turso is shared by the files of a project. */
export function uniqueName(prefix: string): string {
  counter += 1
  return `${prefix}-${crypto.randomUUID().slice(0, 8)}-${counter}`
}
