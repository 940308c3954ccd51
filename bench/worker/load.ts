/** So many of one thing, so many at a time. */

export interface Load {
  perSecond: number
  /** Milliseconds. */
  p50: number
  p99: number
}

/** @param act is given numbers from 0; its time is what counts */
export async function load(
  count: number,
  concurrency: number,
  act: (index: number) => Promise<unknown>,
): Promise<Load> {
  const times: number[] = []
  let next = 0
  const startedAt = performance.now()
  const work = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      const begunAt = performance.now()
      await act(index)
      times.push(performance.now() - begunAt)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  const seconds = (performance.now() - startedAt) / 1000
  return { perSecond: count / seconds, ...percentiles(times) }
}

export function percentiles(times: readonly number[]): { p50: number; p99: number } {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
  return { p50: at(0.5), p99: at(0.99) }
}

/** Sends JSON; anything but a success is an exception. */
export async function send(method: string, url: string, token: string, body?: string): Promise<unknown> {
  const response = await fetch(url, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${text.slice(0, 300)}`)
  return text === '' ? null : JSON.parse(text)
}
