/** Requests to a local Turso that a test keeps waiting for as long as it likes: then nothing depends on who is faster. */
import { matcherOf } from '../../../local/faults/operations.ts'
import type { HoldOrder } from '../hold-order.ts'

export interface Holds {
  /** @returns the number of the hold */
  add: (order: HoldOrder) => number
  /** Resolves once something is held. */
  reached: (hold: number) => Promise<void>
  /** Resolves once Turso is done with all that was held, whether anybody waits for it or not. */
  letGo: (hold: number) => Promise<void>
  letAllGo: () => void
  /** Answers a request, by way of the holds that it meets. `proceed` is Turso itself. */
  around: (request: Request, proceed: () => Promise<Response>) => Promise<Response>
}

interface Hold extends HoldOrder {
  isFor: (operation: string) => boolean
  left: number
  reached: PromiseWithResolvers<void>
  open: PromiseWithResolvers<void>
  carriedOut: Promise<unknown>[]
}

export function createHolds(): Holds {
  const holds: Hold[] = []

  function find(operation: string, body: string): Hold | undefined {
    return holds.find(
      ({ isFor, containing = '', left }) => left > 0 && isFor(operation) && body.includes(containing),
    )
  }

  const numbered = (hold: number): Hold => holds[hold] ?? raise(`there is no hold ${hold}`)

  return {
    add(order) {
      const { on, times = 1 } = order
      const [reached, open] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      return holds.push({ ...order, isFor: matcherOf(on), left: times, reached, open, carriedOut: [] }) - 1
    },
    reached: (hold) => numbered(hold).reached.promise,
    async letGo(number) {
      const hold = numbered(number)
      hold.left = 0
      hold.open.resolve()
      await Promise.allSettled(hold.carriedOut)
    },
    letAllGo() {
      for (const hold of holds) {
        hold.left = 0
        hold.open.resolve()
      }
    },
    async around(request, proceed) {
      if (holds.every(({ left }) => left === 0)) return await proceed()
      const hold = find(operationOf(request), await request.clone().text())
      if (hold === undefined) return await proceed()
      hold.left -= 1
      const { signal } = request
      const cut = Promise.withResolvers<never>()
      cut.promise.catch(() => undefined)
      signal.addEventListener('abort', () => cut.reject(signal.reason))
      const released = Promise.race([hold.open.promise, cut.promise])
      if (hold.holds === 'answer') {
        const response = await proceed()
        hold.reached.resolve()
        await released
        return response
      }
      if (hold.holds === 'half') return withHeldHalf(await proceed(), hold.reached.resolve, released)
      hold.reached.resolve()
      const answer = released.then(proceed)
      hold.carriedOut.push(answer)
      return await answer
    },
  }
}

async function withHeldHalf(
  answer: Response,
  isThere: () => void,
  released: Promise<void>,
): Promise<Response> {
  const bytes = new Uint8Array(await answer.arrayBuffer())
  const half = Math.floor(bytes.byteLength / 2)
  let hasSent = false
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (!hasSent) {
          hasSent = true
          controller.enqueue(bytes.subarray(0, half))
          return
        }
        isThere()
        await released
        controller.enqueue(bytes.subarray(half))
        controller.close()
      },
    },
    { highWaterMark: 0 },
  )
  const { status, headers } = answer
  return new Response(body, { status, headers: [...headers].filter(([name]) => name !== 'content-length') })
}

/** As the faults of a local Turso have it: whatever is not for the Platform API is for a database. */
function operationOf({ method, url }: Request): string {
  const { hostname, pathname } = new URL(url)
  const isOfDatabase =
    !hostname.startsWith('api.') && !pathname.startsWith('/v1/') && !pathname.startsWith('/db/')
  return `${method} ${isOfDatabase ? '/db/_' : ''}${pathname}`
}

function raise(message: string): never {
  throw new Error(message)
}
