/** The pace of the organisation's calls to Turso, as a test wants it. */
import { env } from 'cloudflare:workers'
import { runInDurableObject } from 'cloudflare:test'
import { forgetThrottling } from '../../worker/turso/gate.ts'

export const upstreamObject = () => env.UPSTREAM.getByName(env.TURSO_ORGANIZATION)

/** As if no call had ever been refused. */
export async function resetPace(): Promise<void> {
  forgetThrottling()
  await runInDurableObject(upstreamObject(), (_, { storage }) => void storage.kv.delete('pace'))
}
