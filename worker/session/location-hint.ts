/**
 * Where a Durable Object should live that talks to a database: Turso's locations, and Cloudflare's nearest to each. Pure.
 *
 * A hint is a wish, and counts at an object's first use only. Distances are in docs/decisions/0020.
 */

/** Cloudflare's areas, the nearest first; a runtime that does not know one of them yet takes the next. */
const NEAREST: Record<string, readonly [DurableObjectLocationHint, ...DurableObjectLocationHint[]]> = {
  'aws-us-east-1': ['enam', 'wnam'],
  'aws-us-east-2': ['enam', 'wnam'],
  'aws-us-west-1': ['wnam', 'enam'],
  'aws-us-west-2': ['wnam', 'enam'],
  'aws-eu-west-1': ['weur', 'eeur'],
  'aws-eu-west-3': ['weur', 'eeur'],
  'aws-ap-south-1': ['me', 'apac-se', 'apac'],
  'aws-ap-northeast-1': ['apac-ne', 'apac'],
}

/** Fly's airports, where Turso's older databases are. */
const AIRPORTS: readonly [codes: string, ...hints: DurableObjectLocationHint[]][] = [
  ['sea sjc lax den phx gdl qro', 'wnam', 'enam'],
  ['iad ewr bos atl mia ord dfw yul yyz', 'enam', 'wnam'],
  ['gru gig eze scl bog', 'sam', 'enam'],
  ['ams cdg fra lhr mad arn', 'weur', 'eeur'],
  ['waw otp', 'eeur', 'weur'],
  ['nrt', 'apac-ne', 'apac'],
  ['sin hkg', 'apac-se', 'apac'],
  ['bom', 'me', 'apac-se', 'apac'],
  ['syd', 'oc', 'apac'],
  ['jnb', 'afr', 'weur'],
]

/** @returns the areas near a Turso location, the nearest first; none for one that is not known, which leaves it to Cloudflare */
export function placementsFor(location: string | null): readonly DurableObjectLocationHint[] {
  if (location === null) return []
  if (Object.hasOwn(NEAREST, location)) return NEAREST[location]!
  const airport = AIRPORTS.find(([codes]) => codes.split(' ').includes(location))
  return airport === undefined ? [] : (airport.slice(1) as DurableObjectLocationHint[])
}

/** Where an object was wished for, of whatever kind it is. */
export interface Placed<T extends Rpc.DurableObjectBranded> {
  stub: DurableObjectStub<T>
  hint: DurableObjectLocationHint | null
}

/** The object near a location: with the nearest hint that the runtime takes. */
export function placeNear<T extends Rpc.DurableObjectBranded>(
  location: string | null,
  get: (options: DurableObjectNamespaceGetDurableObjectOptions) => DurableObjectStub<T>,
): Placed<T> {
  for (const hint of placementsFor(location)) {
    try {
      return { stub: get({ locationHint: hint }), hint }
    } catch {
      // Not known to this runtime.
    }
  }
  return { stub: get({}), hint: null }
}

/** An id that nothing has yet. Where it must stay goes before where it would be near, so that no hint is given besides. */
export function newId(
  namespace: DurableObjectNamespace,
  jurisdiction: DurableObjectJurisdiction | null,
): DurableObjectId {
  return namespace.newUniqueId(jurisdiction === null ? {} : { jurisdiction })
}

/** The object of this name, where it must stay. */
export function named<T extends Rpc.DurableObjectBranded>(
  namespace: DurableObjectNamespace<T>,
  name: string,
  jurisdiction: DurableObjectJurisdiction | null,
): DurableObjectStub<T> {
  return (jurisdiction === null ? namespace : namespace.jurisdiction(jurisdiction)).getByName(name)
}
