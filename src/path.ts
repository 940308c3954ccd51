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

function encodeSegment(segment: unknown): string {
  if (typeof segment !== 'string' || segment === '' || segment === '.' || segment === '..')
    throw new TypeError(
      `A path segment must be a non-empty string other than "." and ".."; got "${String(segment)}"`,
    )
  try {
    return encodeURIComponent(segment)
  } catch {
    throw new TypeError('A path segment must be well-formed Unicode; it has a lone surrogate')
  }
}
