/** Sends a pipeline to a tenant's database. The only place where a caller's database token goes out. */
import { PIPELINE_TIMEOUT_MS } from './limits.ts'

export interface UpstreamPipeline {
  /** Of the database or of a trusted `base_url`; ends with a slash. */
  url: string
  /** `2` or `3`, as the client spoke it. */
  version: string
  token: string
  body: string
}

export interface UpstreamAnswer {
  status: number
  contentType: string
  text: string
}

/** Resolves with the whole answer; the timeout covers its body too. */
export function sendUpstream(pipeline: UpstreamPipeline): Promise<UpstreamAnswer> {
  return withTimeout(async (signal) => {
    const response = await post(pipeline, signal)
    return { status: response.status, contentType: contentTypeOf(response), text: await response.text() }
  })
}

/** Resolves when the answer begins, and leaves its body to be passed on as it comes, for as long as it takes. */
export async function streamUpstream(pipeline: UpstreamPipeline): Promise<Response> {
  const { status, body, headers } = await withTimeout((signal) => post(pipeline, signal))
  return new Response(body, { status, headers: { 'content-type': contentTypeOf({ headers }) } })
}

/** Never follows a redirect, which would carry the token elsewhere. */
function post({ url, version, token, body }: UpstreamPipeline, signal: AbortSignal): Promise<Response> {
  return fetch(`${url}v${version}/pipeline`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body,
    redirect: 'manual',
    signal,
  })
}

/** Not `AbortSignal.timeout`: its timer would keep a Durable Object in memory, and billed, long after the answer. */
async function withTimeout<T>(action: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const timer = setTimeout(
    () => controller.abort(new Error(`no answer within ${PIPELINE_TIMEOUT_MS} ms`)),
    PIPELINE_TIMEOUT_MS,
  )
  try {
    return await action(controller.signal)
  } finally {
    clearTimeout(timer)
  }
}

const contentTypeOf = ({ headers }: { headers: Headers }): string =>
  headers.get('content-type') ?? 'application/json'
