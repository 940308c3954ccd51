/**
 * Callers under `exactOptionalPropertyTypes`, who pass on what may be undefined, and who bring their own `fetch`.
 * Compiled and never run.
 */
import {
  connect,
  createPlatform,
  type ConnectOptions,
  type Fetch,
  type IntMode,
  type PlatformOptions,
} from 'turso-edge'

interface Environment {
  readonly token: string | undefined
  readonly timeoutMs: number | undefined
  readonly intMode: IntMode | undefined
  readonly signal: AbortSignal | undefined
  readonly fetch: Fetch | undefined
}

export async function whatMayBeUndefinedCanBePassedOn(environment: Environment): Promise<void> {
  const { token, timeoutMs, intMode, signal, fetch } = environment
  const options: ConnectOptions = {
    url: 'libsql://example.turso.io',
    authToken: token,
    timeoutMs,
    intMode,
    fetch,
    baseUrlSuffixes: undefined,
    encryptionKey: undefined,
    headers: undefined,
    retry: undefined,
    onRequest: undefined,
    onResponse: undefined,
    waitUntil: undefined,
  }
  const db = connect(options)
  await db.execute('select 1', undefined, {
    signal,
    timeoutMs,
    intMode,
    rowMode: undefined,
    schema: undefined,
    readOnly: undefined,
  })
  await db.execute({ sql: 'select 1', args: undefined }, { signal, timeoutMs })
  await db.batch(['select 1'], { signal, timeoutMs, mode: undefined })
  await db.batch(['select 1'], { rowMode: 'array', signal, timeoutMs, mode: undefined })
  await db.transaction(async () => {}, { mode: undefined, signal, timeoutMs })
  const tx = await db.transaction({ mode: undefined })
  await tx.commit({ signal, timeoutMs })
  const platformOptions: PlatformOptions = { token: 'token', organization: 'acme', fetch, timeoutMs }
  await createPlatform(platformOptions).databases.retrieve('acme', { signal, timeoutMs })
}

export function tokensCanBeFetched(token: string): void {
  connect({ url: 'libsql://example.turso.io', authToken: () => token })
  connect({ url: 'libsql://example.turso.io', authToken: async () => token })
  // @ts-expect-error -- no token at all is said by leaving it out
  connect({ url: 'libsql://example.turso.io', authToken: async () => undefined })
}

export function fetchIsWhatTheRuntimeHas(): void {
  connect({ url: 'libsql://example.turso.io', fetch })
  connect({ url: 'libsql://example.turso.io', fetch: (url, init) => fetch(url, init) })
  connect({
    url: 'libsql://example.turso.io',
    fetch: async () => ({ status: 200, headers: { get: () => null }, text: async () => '{}' }),
  })
  // @ts-expect-error -- the answer has no text
  connect({ url: 'libsql://example.turso.io', fetch: async () => ({ status: 200 }) })
  // @ts-expect-error -- there is no database without an address
  connect({ authToken: 'token' })
}
