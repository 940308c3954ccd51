/**
 * Builds a URL path from a template. Every interpolated segment is percent-encoded and can never leave its place:
 * `.`, `..` and the empty string, which URL parsers resolve away even when encoded, are refused.
 *
 * @throws {TypeError} for a segment that is not a non-empty string, is `.` or `..`, or has a lone surrogate
 * @example
 * path`/v1/organizations/${organization}/databases/${name}`
 */
export function path(template: TemplateStringsArray, ...segments: string[]): string {
  return template.reduce((built, literal, index) => built + encodeSegment(segments[index - 1]) + literal)
}

/** Whether it can be a segment of a path. */
export function isSegment(value: unknown): value is string {
  // The category of lone surrogates is Cs.
  return typeof value === 'string' && /^(?!\.{0,2}$)\P{Cs}*$/u.test(value)
}

function encodeSegment(segment: unknown): string {
  if (isSegment(segment)) return encodeURIComponent(segment)
  throw new TypeError(
    `A path segment must be a text, neither empty, "." nor "..", and well-formed; got ${JSON.stringify(String(segment))}`,
  )
}
