/** The only place that writes to the log: one JSON object a line, for Workers Logs, `wrangler tail` and grep alike. */

export type LogLevel = 'info' | 'warn' | 'error'

/** What is known beside the event. Never a secret, never SQL, never a body; names are those of the API. */
export interface LogFields {
  tenant?: string | undefined
  request_id?: string | null | undefined
  [name: string]: string | number | boolean | null | undefined
}

/** @param event what happened, in snake case: what an operator searches for and counts */
export function log(level: LogLevel, event: string, fields: LogFields = {}): void {
  console[level](scrub(JSON.stringify({ level, event, ...fields })))
}

/** An error as far as it may be logged: its class and message, which neither the library nor the Worker puts a secret in. */
export function errorText(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}

/**
 * A second line of defence, against words of others that end up in a message: what has the form of a token, of one of
 * our keys, or stands behind "Bearer".
 */
const SECRETS = /eyJ[\w-]{8,}(?:\.[\w-]*){0,2}|\bte_[a-z0-9-]+_[0-9A-Za-z]{16,}|(?<=\bBearer )[^\s"\\]+/gi

export function scrub(text: string): string {
  return text.replaceAll(SECRETS, '[secret]')
}
