/**
 * The entrypoint for Workers of the same account, by a service binding: what the routes do, without HTTP and without an API
 * key, since only the account's owner can bind to it.
 */
import { WorkerEntrypoint } from 'cloudflare:workers'
import type {
  TenantSessionOptions,
  SignupAnswer,
  SignupOrder,
  TenantAnswer,
  TenantChanges,
  TenantHistory,
  TenantsService,
  TenantToken,
  TenantUsage,
  TokenOrder,
} from '../../src/index.ts'
import { readConfiguration } from '../configuration.ts'
import { parseIdempotencyKey } from '../http/idempotency.ts'
import { MAX_REQUEST_BYTES, SESSION_TOKEN_EXPIRATION, SIGNUP_BUDGET_MS } from '../limits.ts'
import { errorText, log } from '../log.ts'
import { invalidRequest, Problem, toProblem } from '../http/problem.ts'
import { usageQuery } from '../directory/queries.ts'
import { parse, parseSignup, parseTenantId, parseToken, parseUpdate } from '../http/schemas.ts'
import * as operations from '../tenants/operations.ts'
import { useTenantDatabase } from './database.ts'
import { DatabaseSession } from './session.ts'

/** What the binding may say of itself. */
interface Props {
  /** Who it is in the audit. */
  name?: string
}

type Pending = TenantAnswer & { isPending: boolean }

export class Tenants extends WorkerEntrypoint<Env, Props> implements TenantsService {
  signup(order: SignupOrder, options?: Parameters<TenantsService['signup']>[1]): Promise<SignupAnswer> {
    return this.#answer((call) =>
      operations.signUp(call, parseSignup(bodyOf(order)), {
        idempotencyKey: parseIdempotencyKey(options?.idempotencyKey),
        waitMs: within(options?.waitMs),
      }),
    )
  }

  get(id: string): Promise<TenantHistory> {
    return this.#answer((call) => operations.retrieve(call, parseTenantId(id)))
  }

  retry(id: string): Promise<TenantAnswer> {
    return this.#answer((call) => operations.retry(call, parseTenantId(id), SIGNUP_BUDGET_MS))
  }

  update(id: string, changes: TenantChanges): Promise<Pending> {
    return this.#answer((call) =>
      operations.update(call, parseTenantId(id), parseUpdate(bodyOf(changes)), SIGNUP_BUDGET_MS),
    )
  }

  suspend(id: string, reason?: string): Promise<Pending> {
    return this.update(id, { suspended: true, reason })
  }

  resume(id: string): Promise<Pending> {
    return this.update(id, { suspended: false })
  }

  delete(id: string, options?: { purge?: boolean | undefined }): Promise<TenantAnswer> {
    return this.#answer((call) => operations.remove(call, parseTenantId(id), options?.purge === true))
  }

  restore(id: string): Promise<TenantAnswer> {
    return this.#answer((call) => operations.restore(call, parseTenantId(id)))
  }

  createToken(id: string, order?: TokenOrder): Promise<TenantToken> {
    return this.#answer(async (call) => {
      const { token } = await operations.createToken(call, parseTenantId(id), parseToken(bodyOf(order ?? {})))
      return token
    })
  }

  invalidateTokens(id: string): Promise<TenantAnswer> {
    return this.#answer((call) => operations.invalidateTokens(call, parseTenantId(id)))
  }

  usage(id: string, range?: Parameters<TenantsService['usage']>[1]): Promise<TenantUsage> {
    return this.#answer((call) =>
      operations.retrieveUsage(call, parseTenantId(id), parse(usageQuery, JSON.parse(bodyOf(range ?? {})))),
    )
  }

  session(id: string, options?: TenantSessionOptions): Promise<DatabaseSession> {
    return this.#answer(async (call, requestId) => {
      const tenantId = parseTenantId(id)
      const { authorization, intMode, timeoutMs } = options ?? {}
      if (!['number', 'bigint', 'string', undefined].includes(intMode))
        throw invalidRequest([{ field: 'intMode', detail: 'must be "number", "bigint" or "string"' }])
      if (timeoutMs !== undefined && !(timeoutMs > 0))
        throw invalidRequest([{ field: 'timeoutMs', detail: 'must be a positive number' }])
      const order = parseToken(bodyOf({ authorization, expiration: SESSION_TOKEN_EXPIRATION }))
      const mint = async (): Promise<TenantToken> =>
        (await operations.createToken(call, tenantId, order)).token
      const { env, ctx } = this
      const database = useTenantDatabase({
        env,
        ctx,
        tenantId,
        requestId,
        intMode,
        timeoutMs,
        token: await mint(),
        // Behind a call of the session, whose caller is to be told by the same codes.
        renew: () => mint().catch((error: Error) => Promise.reject(toServiceError(error, requestId))),
      })
      return new DatabaseSession(database, (work) => ctx.waitUntil(work))
    })
  }

  async #answer<T>(work: (call: operations.Call, requestId: string) => Promise<T>): Promise<T> {
    const requestId = crypto.randomUUID()
    const name = /^[\w-]{1,32}$/.exec(this.ctx.props?.name ?? '')?.[0] ?? 'service'
    try {
      const { publicUrl: origin } = readConfiguration(this.env)
      return await work({ env: this.env, origin, caller: { actor: `binding:${name}`, requestId } }, requestId)
    } catch (error) {
      throw toServiceError(error as Error, requestId)
    }
  }
}

/** Own properties cross the binding, classes do not. */
function toServiceError(error: Error, requestId: string): Error {
  const { code, message, headers, members } = toProblem(error)
  if (code === 'internal')
    log('error', 'unexpected_error', { request_id: requestId, error: errorText(error) })
  if (code === 'configuration') log('error', 'misconfigured', { request_id: requestId, detail: message })
  const seconds = headers['retry-after']
  const retryAfterMs = seconds === undefined ? {} : { retryAfterMs: Number(seconds) * 1000 }
  return Object.assign(new Error(message), { code, requestId, ...retryAfterMs, ...members })
}

/** As over HTTP: what is no JSON is refused, and so is what is too large. */
function bodyOf(value: unknown): string {
  let body: string | undefined
  try {
    body = JSON.stringify(value)
  } catch (error) {
    throw invalidRequest([{ field: '', detail: `The argument is no JSON: ${errorText(error)}` }])
  }
  if (body === undefined) throw invalidRequest([{ field: '', detail: 'The argument must be an object' }])
  if (body.length > MAX_REQUEST_BYTES)
    throw new Problem('payload_too_large', `The argument has more than ${MAX_REQUEST_BYTES} characters`)
  return body
}

function within(waitMs: number | undefined): number {
  return waitMs === undefined || !(waitMs >= 0) ? SIGNUP_BUDGET_MS : Math.min(SIGNUP_BUDGET_MS, waitMs)
}
