/** A client's pipeline: checked as far as the gateway must understand it. Pure. */
import { sliceMembers } from './envelope.ts'
import { invalidRequest } from './problem.ts'

export interface PipelineRequest {
  baton: string | null
  /** The member `requests`, as the client wrote it. */
  requests: string
  /** Whether the last request is `close`, so that no stream stays open. */
  endsWithClose: boolean
}

/** @throws {Problem} `invalid_request` for anything but a pipeline */
export function parsePipeline(body: string): PipelineRequest {
  let members: Map<string, string>
  let parsed: { baton?: unknown; requests?: unknown }
  try {
    parsed = JSON.parse(body) as typeof parsed
    members = sliceMembers(body)
  } catch {
    throw invalidRequest([{ field: '', detail: 'The body is not a JSON object with each member once' }])
  }
  const { baton = null, requests } = parsed
  if (baton !== null && typeof baton !== 'string')
    throw invalidRequest([{ field: 'baton', detail: 'must be a string or null' }])
  if (!Array.isArray(requests)) throw invalidRequest([{ field: 'requests', detail: 'must be an array' }])
  const last = requests.at(-1) as { type?: unknown } | null | undefined
  return { baton, requests: members.get('requests')!, endsWithClose: last?.type === 'close' }
}
