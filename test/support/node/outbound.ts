/**
 * The internet of a Worker under test: a local Turso, in process, and a host `control.test` by which a test inside
 * workerd can look at it, get in its way, and start others that it has to itself.
 */
import { randomUUID } from 'node:crypto'
import {
  createLocalTurso,
  type BehaviourName,
  type Fault,
  type LocalTurso,
  type LocalTursoOptions,
} from '../../../local/index.ts'
import { createRateLimit, type RateLimit } from '../../../local/platform/rate-limit.ts'
import type { Traps } from '../../../local/platform/traps.ts'
import type { HoldOrder } from '../hold-order.ts'
import { createHolds, type Holds } from './holds.ts'

export interface Outbound {
  fetch: (request: { url: string }) => Promise<Response>
  /** Removes the temporary folders. Waits for nothing, so it may be called at the end of a process. */
  close: () => void
}

/** One local Turso. Its organization's slug is its name, so that its host names are its own too. */
interface Instance {
  organization: string
  turso: LocalTurso
  log: string[]
  clockAheadMs: number
  holds: Holds
  /** Of the Platform API alone. */
  rateLimit: RateLimit
}

const DEFAULT_ORGANIZATION = 'local'

/** @param behaviour of the local Turso that is there from the start */
export function createOutbound(behaviour: BehaviourName): Outbound {
  const instances: Instance[] = []

  function start(organization: string, options: LocalTursoOptions): Instance {
    const now = (): number => Date.now() + instance.clockAheadMs
    const turso = createLocalTurso({ ...options, organization, now })
    const instance: Instance = {
      organization,
      turso,
      log: [],
      clockAheadMs: 0,
      holds: createHolds(),
      rateLimit: () => undefined,
    }
    instances.push(instance)
    return instance
  }
  const standard = start(DEFAULT_ORGANIZATION, { behaviour })

  /** Whose request it is: by the organization in the path of the Platform API, or at the end of a database's name. */
  function instanceOf({ hostname, pathname }: URL): Instance {
    const [label = ''] = hostname.split('.')
    return (
      instances.find(
        ({ organization }) =>
          pathname.startsWith(`/v1/organizations/${organization}/`) || label.endsWith(`-${organization}`),
      ) ?? standard
    )
  }

  async function control(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === '/start') {
      const options = (await request.json()) as LocalTursoOptions
      return Response.json(start(`t${randomUUID().slice(0, 8)}`, options).organization)
    }
    const organization = searchParams.get('organization') ?? DEFAULT_ORGANIZATION
    const instance = instances.find((other) => other.organization === organization)
    if (!instance) return new Response(null, { status: 404 })
    const { turso, log, holds } = instance
    switch (pathname) {
      case '/streams':
        return Response.json(turso.streams())
      case '/requests':
        return Response.json(log.splice(0))
      case '/fail':
        turso.faults.add((await request.json()) as Fault)
        return new Response()
      case '/hold':
        return Response.json(holds.add((await request.json()) as HoldOrder))
      case '/reached':
        await holds.reached((await request.json()) as number)
        return new Response()
      case '/let-go':
        await holds.letGo((await request.json()) as number)
        return new Response()
      case '/limit':
        instance.rateLimit = createRateLimit((await request.json()) as Traps['rateLimit'], Date.now)
        return new Response()
      case '/clear':
        turso.faults.clear()
        holds.letAllGo()
        instance.rateLimit = () => undefined
        log.length = 0
        return new Response()
      case '/advance':
        instance.clockAheadMs += (await request.json()) as number
        return new Response()
      default:
        return new Response(null, { status: 404 })
    }
  }

  async function answer(incoming: { url: string }): Promise<Response> {
    // Miniflare hands over a Request of its own undici; Turso wants one of this Node.
    const theirs = incoming as Request
    const { method, signal } = theirs
    const body = method === 'GET' || method === 'HEAD' ? null : await theirs.arrayBuffer()
    const request = new Request(theirs.url, { method, headers: [...theirs.headers], body, signal })
    const url = new URL(request.url)
    if (url.hostname === 'control.test') return await control(request)
    const { turso, log, holds, rateLimit } = instanceOf(url)
    const refusal = url.hostname.startsWith('api.') ? rateLimit() : undefined
    log.push(`${method} ${url.hostname}${url.pathname}${refusal ? ` ${refusal.status}` : ''}`)
    return refusal ?? (await holds.around(request, () => turso.fetch(request)))
  }

  return {
    fetch: answer,
    close: () => {
      for (const { turso } of instances) void turso.close()
    },
  }
}
