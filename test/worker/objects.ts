/** The Durable Objects of a test file, which shares its Worker with others. */
import { env } from 'cloudflare:workers'
import { reset, runInDurableObject } from 'cloudflare:test'

const NAMESPACES = [
  env.TENANTS,
  env.SESSIONS,
  env.SOCKETS,
  env.TENANT_SESSIONS,
  env.UPSTREAM,
] as readonly DurableObjectNamespace[]

/** In hex, and whether by a name, by which another file could come to it. */
type Met = Map<string, { isNamed: boolean }>

/** Outlives the modules, which each file loads anew. */
const shared = globalThis as typeof globalThis & { metObjects?: Met }
const met = (shared.metObjects ??= noteObjects())

/** As properties, which they are of all namespaces' prototype. */
interface Lookups {
  get: (this: DurableObjectNamespace, id: DurableObjectId, options?: LookupOptions) => DurableObjectStub
  getByName: (this: DurableObjectNamespace, name: string, options?: LookupOptions) => DurableObjectStub
}
type LookupOptions = DurableObjectNamespaceGetDurableObjectOptions

/** Notes every object that anybody asks for from now on, as nothing else tells those of one file. */
function noteObjects(): Met {
  const noted: Met = new Map()
  const prototype = Object.getPrototypeOf(env.TENANTS) as Lookups
  const { get, getByName } = prototype
  prototype.get = function (id, options) {
    const hex = id.toString()
    noted.set(hex, { isNamed: id.name !== undefined || noted.get(hex)?.isNamed === true })
    return get.call(this, id, options)
  }
  prototype.getByName = function (name, options) {
    noted.set(this.idFromName(name).toString(), { isNamed: true })
    return getByName.call(this, name, options)
  }
  return noted
}

/** Those of the namespace that this file, or the Worker in it, has asked for. */
export function objectsOf(namespace: DurableObjectNamespace): DurableObjectId[] {
  return [...met.keys()].flatMap((hex) => {
    try {
      return [namespace.idFromString(hex)]
    } catch {
      // It is of another one.
      return []
    }
  })
}

/** Ends all objects, and empties the directory and whatever has a name. */
export async function emptyStorage(): Promise<void> {
  // It ends what is running, whose code is the former file's, and empties that alone: the directory has to be awake.
  await env.DIRECTORY.exec('select 1')
  await reset()
  const named = NAMESPACES.flatMap((namespace) =>
    objectsOf(namespace)
      .filter((id) => met.get(id.toString())?.isNamed)
      .map((id) => namespace.get(id)),
  )
  await Promise.all(named.map((stub) => runInDurableObject(stub, (_, { storage }) => storage.deleteAll())))
  await reset()
  met.clear()
}
