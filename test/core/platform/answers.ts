/** A client whose server answers what it is told to, for what the local Turso never says. */
import { createPlatform, isTursoError, type Platform, type PlatformOptions } from '../../../src/index.ts'

export interface Answer {
  status?: number
  /** JSON unless it is a text. */
  body?: unknown
  headers?: Record<string, string>
}

export interface Sent {
  method: string
  url: string
  headers: Record<string, string>
  body: string | undefined
}

/** Answers in turn, the last one for ever. An `Error` is a connection that fails. */
export function answeredWith(
  answers: readonly (Answer | Error)[],
  options: Partial<PlatformOptions> = {},
): { turso: Platform; sent: Sent[]; options: PlatformOptions } {
  const sent: Sent[] = []
  const all: PlatformOptions = {
    token: 'platform-token',
    organization: 'acme-inc',
    retry: { minDelayMs: 0 },
    fetch: async (url, { method, headers, body }) => {
      const answer = answers[Math.min(sent.length, answers.length - 1)] ?? {}
      sent.push({ method, url, headers, body })
      if (answer instanceof Error) throw answer
      const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body ?? {})
      return new Response(text, { status: answer.status ?? 200, headers: answer.headers ?? {} })
    },
    ...options,
  }
  return { turso: createPlatform(all), sent, options: all }
}

export const refusedWith = (status: number, error: string): Answer => ({ status, body: { error } })

export const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no error',
    (error: unknown) => (isTursoError(error) ? error.code : error),
  )

/** As the service sends it: its casing is mixed. */
export const wireDatabase = (members: Record<string, unknown> = {}): Record<string, unknown> => ({
  Name: 'acme',
  DbId: 'id-1',
  Hostname: 'acme-acme-inc.aws-eu-west-1.turso.io',
  group: 'default',
  primaryRegion: 'aws-eu-west-1',
  regions: ['aws-eu-west-1'],
  block_reads: false,
  block_writes: false,
  delete_protection: false,
  ...members,
})
