// Where the ids of the Tenant objects come from: Cloudflare, the folder of `npm start`, or a list.

import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import * as z from 'zod/mini'

/** 64 hex digits. */
const OBJECT_ID = /^[0-9a-f]{64}$/

/** One a line; empty lines do not count. Throws at the first that is none. */
export function parseIds(text: string): string[] {
  const lines = text.split(/\s+/).filter(Boolean)
  const wrong = lines.find((line) => !OBJECT_ID.test(line))
  if (wrong !== undefined) throw new Error(`"${wrong.slice(0, 80)}" is no id of an object: 64 hex digits`)
  return lines
}

/** Wrangler keeps each object's SQLite in a file of its id. */
export async function idsOfFolder(dataFolder: string): Promise<string[]> {
  const objects = path.join(dataFolder, 'worker/v3/do')
  const namespaces = await readdir(objects).catch(() => [])
  const namespace = namespaces.find((name) => name.endsWith('-Tenant'))
  if (namespace === undefined) throw new Error(`${dataFolder} has no Tenant objects of npm start`)
  const files = await readdir(path.join(objects, namespace))
  return files.map((file) => /^([0-9a-f]{64})\.sqlite$/.exec(file)?.[1]).filter((id) => id !== undefined)
}

export async function idsOfFile(file: string): Promise<string[]> {
  return parseIds(await readFile(file === '-' ? '/dev/stdin' : file, 'utf8'))
}

export interface CloudflareAccount {
  accountId: string
  /** Name of the Worker. */
  script: string
  /** May read Workers scripts. */
  token: string
  /** Default: Cloudflare's. */
  apiUrl?: string
}

const namespaces = z.object({
  result: z.array(
    z.object({ id: z.string(), script: z.optional(z.string()), class: z.optional(z.string()) }),
  ),
})

const objects = z.object({
  result: z.array(z.object({ id: z.string(), hasStoredData: z.optional(z.boolean()) })),
  result_info: z.optional(
    z.nullable(
      z.object({
        cursor: z.optional(z.nullable(z.string())),
        cursors: z.optional(z.object({ after: z.optional(z.nullable(z.string())) })),
      }),
    ),
  ),
})

/** By Cloudflare's REST API, a page of 1,000 at a time; those with nothing in them are left out. */
export async function* idsOfCloudflare(account: CloudflareAccount): AsyncGenerator<string> {
  const { accountId, script, token, apiUrl = 'https://api.cloudflare.com/client/v4' } = account
  const base = `${apiUrl}/accounts/${encodeURIComponent(accountId)}/workers/durable_objects/namespaces`
  async function get<Schema extends z.ZodMiniType>(url: string, schema: Schema): Promise<z.infer<Schema>> {
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
    if (!response.ok)
      throw new Error(`Cloudflare answered ${response.status}: ${(await response.text()).slice(0, 300)}`)
    return schema.parse(await response.json())
  }
  const { result } = await get(`${base}?per_page=1000`, namespaces)
  const namespace = result.find((each) => each.class === 'Tenant' && each.script === script)
  if (namespace === undefined) throw new Error(`The Worker "${script}" has no objects of the class Tenant`)
  let cursor = ''
  do {
    const page = await get(
      `${base}/${namespace.id}/objects?limit=1000${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
      objects,
    )
    for (const { id, hasStoredData } of page.result) if (hasStoredData !== false) yield id
    const next = page.result_info?.cursors?.after ?? page.result_info?.cursor ?? ''
    // The last page may repeat its cursor, and then has nothing.
    cursor = next === cursor || page.result.length === 0 ? '' : next
  } while (cursor !== '')
}
