/** Calls the Worker under test as its users do. */
import { exports } from 'cloudflare:workers'
import { expectDocumented } from './documented.ts'

export const ORIGIN = 'https://tenants.example'

/** Every answer must be one that the API's documentation has. */
export async function call(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await exports.default.fetch(new Request(ORIGIN + path, init))
  await expectDocumented(init.method ?? 'GET', path, response)
  return response
}

export interface SignupAnswer {
  tenant: {
    id: string
    status: string
    group: string
    location: string
    schema_version: number
    metadata: unknown
  }
  database: { name: string; hostname: string; url: string; http_url: string; gateway_url: string }
  token: { jwt: string; authorization: string; expires_at: string | null }
}

export function signUp(body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return call('/v1/tenants', {
    method: 'POST',
    headers: { authorization: 'Bearer signup-key', 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
}

/** Signs up and insists that it worked. */
export async function signUpNow(body: { id: string } & Record<string, unknown>): Promise<SignupAnswer> {
  const response = await signUp(body)
  if (response.status !== 201) throw new Error(`signup answered ${response.status}: ${await response.text()}`)
  return await response.json()
}

export interface ProblemBody {
  type: string
  title: string
  status: number
  code: string
  detail: string
  request_id: string
  errors?: { field: string; detail: string }[]
}
