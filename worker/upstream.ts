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

/** Never follows a redirect, which would carry the token elsewhere. The timeout covers the body too. */
export function sendUpstream({ url, version, token, body }: UpstreamPipeline): Promise<Response> {
  return fetch(`${url}v${version}/pipeline`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body,
    redirect: 'manual',
    signal: AbortSignal.timeout(PIPELINE_TIMEOUT_MS),
  })
}
