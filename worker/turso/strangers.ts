/** Answers of what stands before Turso, such as a WAF or a proxy. */
import type { Fetch } from '../../src/index.ts'

/**
 * The same fetch, to which a refusal that is not in Turso's form, `{"error": …}`, is no answer: it tells nothing about what
 * Turso would say, nor whether it was asked. 429 means the same, whoever says it. The page is not quoted: it may echo
 * what was sent.
 */
export function ignoringStrangers(fetch: Fetch): Fetch {
  return async (url, init) => {
    const response = await fetch(url, init)
    const { status, headers } = response
    if (status < 300 || status === 429 || status >= 500) return response
    const body = await response.text()
    if (status < 400 || !hasError(body)) throw new Error(`${status} of something that stands before Turso`)
    return { status, headers, text: () => Promise.resolve(body) }
  }
}

function hasError(body: string): boolean {
  try {
    return Object.hasOwn(JSON.parse(body) as object, 'error')
  } catch {
    return false
  }
}
