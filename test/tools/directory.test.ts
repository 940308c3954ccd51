import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { idsOfCloudflare, idsOfFolder, parseIds } from '../../tools/directory/objects.ts'
import { rebuildDirectory } from '../../tools/directory/rebuild.ts'

const id = (number: number): string => number.toString(16).padStart(64, '0')
const ids = (count: number): string[] => Array.from({ length: count }, (_, index) => id(index))

/** The other side of the wire: answers in turn, and what it was asked. */
let answers: { status?: number; headers?: Record<string, string>; body: unknown }[] = []
const asked: { line: string; authorization: string | undefined; body: string }[] = []
let server: Server
let url: string

beforeAll(async () => {
  server = createServer((request: IncomingMessage, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const { authorization } = request.headers
      asked.push({ line: `${request.method} ${request.url}`, authorization, body })
      const answer = answers.shift() ?? { status: 500, body: 'nothing more to say' }
      response.writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...answer.headers })
      response.end(JSON.stringify(answer.body))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => void server.close())
beforeEach(() => {
  answers = []
  asked.length = 0
})

const rebuilt = (published: number, more: object = {}) => ({
  body: { at: '2026-11-28T00:00:00.000Z', published, empty: 0, failed: [], ...more },
})
const checked = (removed: number, next_cursor: string | null) => ({
  body: { known: 0, removed, failed: 0, next_cursor },
})

describe('rebuildDirectory', () => {
  it('names all objects, fifty at a time, and then has old rows checked page by page', async () => {
    answers = [rebuilt(50), rebuilt(50), rebuilt(20), checked(2, 'next'), checked(1, null)]
    const result = await rebuildDirectory(ids(120), { url, key: 'the-key' })
    expect(result).toEqual({ published: 120, empty: 0, failed: [], removed: 3 })
    const bodies = asked.map(({ body }) => JSON.parse(body) as { objects?: string[] })
    expect(bodies.slice(0, 3).flatMap(({ objects }) => objects)).toEqual(ids(120))
    expect(bodies.slice(3)).toEqual([
      { published_before: '2026-11-28T00:00:00.000Z' },
      { published_before: '2026-11-28T00:00:00.000Z', cursor: 'next' },
    ])
    expect(new Set(asked.map(({ authorization }) => authorization))).toEqual(new Set(['Bearer the-key']))
  })

  it('sends again what was turned away for now, and tells what failed', async () => {
    const failure = { object: id(0), detail: 'why' }
    answers = [
      { status: 429, headers: { 'retry-after': '0' }, body: {} },
      { status: 503, body: {} },
      rebuilt(1, { empty: 1, failed: [failure] }),
      checked(0, null),
    ]
    const result = await rebuildDirectory(ids(3), { url, key: 'k', pauseMs: 1 })
    expect(result).toEqual({ published: 1, empty: 1, failed: [failure], removed: 0 })
    expect(new Set(asked.slice(0, 3).map(({ body }) => body)).size).toBe(1)
  })

  it('stops at what will not pass, in the words of the Worker', async () => {
    answers = [{ status: 403, body: { detail: 'needs the scope admin' } }]
    await expect(rebuildDirectory(ids(1), { url, key: 'k' })).rejects.toThrow(/403.*scope admin/)
  })

  it('asks nothing when there are no objects', async () => {
    expect(await rebuildDirectory([], { url, key: 'k' })).toMatchObject({ published: 0 })
    expect(asked).toEqual([])
  })
})

describe('the ids', () => {
  it.each(['cursor', 'cursors.after'])(
    'come from Cloudflare in pages, by %s, without empty objects',
    async (place) => {
      const info = (cursor: string) => (place === 'cursor' ? { cursor } : { cursors: { after: cursor } })
      answers = [
        {
          body: {
            result: [
              { id: 'other', class: 'Session', script: 'turso-edge' },
              { id: 'ns', class: 'Tenant', script: 'turso-edge' },
            ],
          },
        },
        {
          body: {
            result: [
              { id: id(1), hasStoredData: true },
              { id: id(2), hasStoredData: false },
            ],
            result_info: info('c 1'),
          },
        },
        { body: { result: [{ id: id(3) }], result_info: info('') } },
      ]
      const found: string[] = []
      const account = { accountId: 'acc', script: 'turso-edge', token: 'cf-token', apiUrl: url }
      for await (const each of idsOfCloudflare(account)) found.push(each)
      expect(found).toEqual([id(1), id(3)])
      const base = 'GET /accounts/acc/workers/durable_objects/namespaces'
      expect(asked.map(({ line }) => line)).toEqual([
        `${base}?per_page=1000`,
        `${base}/ns/objects?limit=1000`,
        `${base}/ns/objects?limit=1000&cursor=c%201`,
      ])
    },
  )

  it('of another Worker are not taken for this one, and a refusal of Cloudflare is told', async () => {
    const account = { accountId: 'acc', script: 'turso-edge', token: 't', apiUrl: url }
    answers = [{ body: { result: [{ id: 'ns', class: 'Tenant', script: 'another' }] } }]
    await expect(idsOfCloudflare(account).next()).rejects.toThrow('has no objects of the class Tenant')
    answers = [{ status: 403, body: { errors: ['no permission'] } }]
    await expect(idsOfCloudflare(account).next()).rejects.toThrow(/403.*no permission/)
  })

  it('come from the files of npm start', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'turso-edge-ids-'))
    await expect(idsOfFolder(folder)).rejects.toThrow('has no Tenant objects')
    const objects = path.join(folder, 'worker/v3/do/turso-edge-Tenant')
    await mkdir(objects, { recursive: true })
    for (const name of [`${id(1)}.sqlite`, `${id(1)}.sqlite-wal`, 'metadata.sqlite'])
      await writeFile(path.join(objects, name), '')
    expect(await idsOfFolder(folder)).toEqual([id(1)])
    await rm(folder, { recursive: true })
  })

  it('come from a list, in which each line is one', () => {
    expect(parseIds(`${id(1)}\n\n${id(2)}\n`)).toEqual([id(1), id(2)])
    expect(() => parseIds('acme')).toThrow('"acme" is no id')
  })
})
