/** JSON Merge Patch (RFC 7396), for objects. Pure. */

export type JsonObject = Record<string, unknown>

/** `null` removes a member, an object is merged into one, and anything else takes the place of what was there. */
export function mergePatch(target: JsonObject, patch: JsonObject): JsonObject {
  const merged = new Map(Object.entries(target))
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name)
    else merged.set(name, isObject(value) ? mergePatch(objectOr(merged.get(name)), value) : value)
  }
  return Object.fromEntries(merged)
}

const objectOr = (value: unknown): JsonObject => (isObject(value) ? value : {})

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
