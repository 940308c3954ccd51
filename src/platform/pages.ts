/** Lists that come in pages. */
import { ProtocolError } from '../errors.ts'

export interface Page<Item> {
  items: Item[]
  /** What to ask the next page with; `null` on the last one. */
  next: string | null
  /** The answer as sent. */
  raw: Record<string, unknown>
}

/**
 * A list that is asked for page by page. `for await` walks over all items and holds one page at a time; nothing is
 * requested before the first step, and nothing after the last that is taken. Each walk starts anew.
 *
 * It is no promise on purpose: an `async` function that returns one would load all of it. `await Array.fromAsync(list)`
 * does that where it is wanted.
 */
export interface Listing<Item> extends AsyncIterable<Item> {
  /** One page: the first, or the one that `next` of another page names. */
  page(cursor?: string): Promise<Page<Item>>
}

/** In a row. Who filters may leave some of them empty. */
const MAX_EMPTY_PAGES = 100

/** @param ask `isWalk`: all pages are wanted, so one that may be missing is an error */
export function createListing<Item>(
  ask: (cursor: string | undefined, isWalk: boolean) => Promise<Page<Item>>,
): Listing<Item> {
  return {
    async page(cursor) {
      // `null` is what the last page calls the next one.
      if (cursor !== undefined && typeof cursor !== 'string')
        throw new TypeError(`A page is asked for by the "next" of another one; got "${String(cursor)}"`)
      return ask(cursor, false)
    },
    async *[Symbol.asyncIterator]() {
      const seen = new Set<string>()
      let empty = 0
      for (let cursor: string | undefined; ;) {
        const { items, next } = await ask(cursor, true)
        yield* items
        if (next === null) return
        empty = items.length === 0 ? empty + 1 : 0
        // A walk that never ends is worse than one that fails.
        if (seen.has(next) || empty > MAX_EMPTY_PAGES)
          throw new ProtocolError('The Platform API names page after page as the next one, without end')
        seen.add(next)
        cursor = next
      }
    },
  }
}
