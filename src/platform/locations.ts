/** Locations: where groups can be. */
import type { CallOptions } from '../http/watch.ts'
import type { PlatformCallOptions } from './call.ts'
import type { Endpoints } from './endpoint.ts'
import type { ClosestLocation, Location, LocationCode, LocationDetails } from './types.ts'

/** What all methods throw is said at {@link createPlatform}. */
export interface Locations {
  /** `GET /v1/locations`. */
  list(options?: CallOptions): Promise<Location[]>
  /**
   * `GET https://region.turso.io`, without the token: the location nearest to where the request is made, which in a Worker
   * is where the Worker runs. `regionUrl` of the client is another place to ask.
   */
  closest(options?: CallOptions): Promise<ClosestLocation>
  /**
   * `GET /v1/locations/{code}`.
   * @experimental From the Turso CLI (locations.go).
   */
  retrieve(code: LocationCode, options?: CallOptions): Promise<LocationDetails>
  /**
   * `GET /v2/organizations/{organization}/locations`: descriptions by code, by provider (`aws`, `fly`).
   * @experimental From the Turso CLI (locations.go).
   */
  listByProvider(
    options?: PlatformCallOptions,
  ): Promise<Record<string, Record<LocationCode, string>> & { raw: Record<string, unknown> }>
}

export const locations: Endpoints<Locations> = {
  list: {
    route: 'GET /v1/locations',
    list: true,
    // A map, not a list.
    answer: (whole) =>
      Object.entries(whole['locations']).map(([code, description]) => ({ code, description })),
    fields: 'code',
  },
  closest: { route: 'GET :region', answer: '', fields: 'server' },
  retrieve: { route: 'GET /v1/locations/:code', answer: 'location', fields: 'code' },
  listByProvider: {
    route: 'GET /v2/organizations/:organization/locations',
    answer: (whole) => whole['locations'],
  },
}
