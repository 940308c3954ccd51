/** Where groups can be. Source: the reference of the API for AWS, the official client's list for the older servers. */
import { HttpFailure } from '../errors.ts'
import { route, type Call, type Route } from './call.ts'
import type { WireClosestRegion } from './wire.ts'

export const locationRoutes: Route[] = [
  route('GET', '/v1/locations', 'any', () => ({ locations: Object.fromEntries(AWS) })),
  route('GET', '/v1/locations/:location', 'any', retrieveLocation),
  route('GET', '/v2/organizations/:organization/locations', 'any', () => ({
    locations: { aws: Object.fromEntries(AWS), fly: Object.fromEntries(FLY) },
  })),
  // On a host of its own, `region.turso.io`; here for those who reach this server by its address.
  route('GET', '/region', 'public', closestRegion),
]

export function isLocation(code: unknown): code is string {
  return typeof code === 'string' && (AWS.has(code) || FLY.has(code))
}

/** What `region.turso.io` answers. */
export function closestRegion(): WireClosestRegion {
  return { server: 'aws-eu-west-1', client: 'fra' }
}

function retrieveLocation({ params }: Call) {
  const { location: code = '' } = params
  const description = AWS.get(code) ?? FLY.get(code)
  if (description === undefined) throw new HttpFailure(404, `location ${code} not found`)
  const others = [...AWS].filter(([other]) => other !== code).slice(0, 3)
  const closest = others.map(([other, name]) => ({ code: other, description: name }))
  return { location: { code, description, closest } }
}

const AWS: ReadonlyMap<string, string> = new Map([
  ['aws-ap-northeast-1', 'AWS AP NorthEast (Tokyo)'],
  ['aws-ap-south-1', 'AWS AP South (Mumbai)'],
  ['aws-ap-southeast-2', 'AWS AP SouthEast (Sydney)'],
  ['aws-ca-central-1', 'AWS CA Central (Montreal)'],
  ['aws-eu-north-1', 'AWS EU North (Stockholm)'],
  ['aws-eu-west-1', 'AWS EU West (Ireland)'],
  ['aws-sa-east-1', 'AWS SA East (São Paulo)'],
  ['aws-us-east-1', 'AWS US East (Virginia)'],
  ['aws-us-east-2', 'AWS US East (Ohio)'],
  ['aws-us-west-2', 'AWS US West (Oregon)'],
])

const FLY: ReadonlyMap<string, string> = new Map([
  ['ams', 'Amsterdam, Netherlands'],
  ['arn', 'Stockholm, Sweden'],
  ['atl', 'Atlanta, Georgia (US)'],
  ['bog', 'Bogotá, Colombia'],
  ['bom', 'Mumbai, India'],
  ['bos', 'Boston, Massachusetts (US)'],
  ['cdg', 'Paris, France'],
  ['den', 'Denver, Colorado (US)'],
  ['dfw', 'Dallas, Texas (US)'],
  ['ewr', 'Secaucus, NJ (US)'],
  ['eze', 'Ezeiza, Argentina'],
  ['fra', 'Frankfurt, Germany'],
  ['gdl', 'Guadalajara, Mexico'],
  ['gig', 'Rio de Janeiro, Brazil'],
  ['gru', 'São Paulo, Brazil'],
  ['hkg', 'Hong Kong, Hong Kong'],
  ['iad', 'Ashburn, Virginia (US)'],
  ['jnb', 'Johannesburg, South Africa'],
  ['lax', 'Los Angeles, California (US)'],
  ['lhr', 'London, United Kingdom'],
  ['mad', 'Madrid, Spain'],
  ['mia', 'Miami, Florida (US)'],
  ['nrt', 'Tokyo, Japan'],
  ['ord', 'Chicago, Illinois (US)'],
  ['otp', 'Bucharest, Romania'],
  ['phx', 'Phoenix, Arizona (US)'],
  ['qro', 'Querétaro, Mexico'],
  ['scl', 'Santiago, Chile'],
  ['sea', 'Seattle, Washington (US)'],
  ['sin', 'Singapore, Singapore'],
  ['sjc', 'San Jose, California (US)'],
  ['syd', 'Sydney, Australia'],
  ['waw', 'Warsaw, Poland'],
  ['yul', 'Montreal, Canada'],
  ['yyz', 'Toronto, Canada'],
])
