/** Organizations, and what they pay for. */
import type { CallOptions } from '../http/watch.ts'
import type { PlatformCallOptions } from './call.ts'
import type { Endpoint, Endpoints } from './endpoint.ts'
import type {
  Invoice,
  Organization,
  OrganizationUsage,
  Plan,
  Subscription,
  UpdateOrganizationOptions,
} from './types.ts'

/**
 * `ORG` stands for `/v1/organizations/{organization}`: the client's, or another one by the option `organization`. What all
 * methods throw is said at {@link createPlatform}.
 */
export interface Organizations {
  /** `GET /v1/organizations`: all that the token reaches. */
  list(options?: CallOptions): Promise<Organization[]>
  /** `GET ORG`. */
  retrieve(options?: PlatformCallOptions): Promise<Organization>
  /** `PATCH ORG`. What is left out stays as it is. */
  update(options: UpdateOrganizationOptions): Promise<Organization>
  /** `GET ORG/plans`. */
  plans(options?: PlatformCallOptions): Promise<Plan[]>
  /** `GET ORG/subscription`. */
  subscription(options?: PlatformCallOptions): Promise<Subscription>
  /** `GET ORG/usage`, in the calendar month. */
  usage(options?: PlatformCallOptions): Promise<OrganizationUsage>
  /** `GET ORG/invoices`. `type` is `all` by default. */
  invoices(
    options?: { type?: 'all' | 'upcoming' | 'issued' | undefined } & PlatformCallOptions,
  ): Promise<Invoice[]>
  /**
   * `POST /v1/organizations`. With `dryRun` nothing is made: it is only checked whether it could be.
   * @experimental From the Turso CLI (organizations.go).
   */
  create(
    name: string,
    options?: { dryRun?: boolean | undefined } & CallOptions,
  ): Promise<Pick<Organization, 'name' | 'slug' | 'raw'> & Partial<Organization>>
  /**
   * `DELETE /v1/organizations/{slug}`. Always the one that is named, never the client's by default.
   * @experimental From the Turso CLI (organizations.go).
   */
  delete(slug: string, options?: CallOptions): Promise<void>
}

const ORGANIZATION = 'name slug !overages !requireMfa !restoreEnabled !blockedReads !blockedWrites'

/** By itself, since a bundle without organizations looks ids up too. */
export const retrieveOrganization: Endpoint = {
  route: 'GET /v1/organizations/:organization',
  answer: 'organization',
  fields: ORGANIZATION,
}

export const organizations: Endpoints<Organizations> = {
  list: {
    route: 'GET /v1/organizations',
    list: true,
    // A bare array; version 2 wraps it.
    answer: (whole) => whole['organizations'] ?? whole,
    fields: ORGANIZATION,
  },
  retrieve: retrieveOrganization,
  update: {
    route: 'PATCH /v1/organizations/:organization',
    options: 'overages requireMfa restoreEnabled',
    answer: 'organization',
    fields: ORGANIZATION,
  },
  plans: { route: 'GET /v1/organizations/:organization/plans', list: true, answer: 'plans', fields: 'name' },
  subscription: {
    route: 'GET /v1/organizations/:organization/subscription',
    answer: 'subscription',
    fields: 'plan !overages',
  },
  usage: { route: 'GET /v1/organizations/:organization/usage', answer: 'organization', fields: 'id' },
  invoices: { route: 'GET /v1/organizations/:organization/invoices', list: true, answer: 'invoices' },
  create: {
    route: 'POST /v1/organizations',
    body: 'name',
    query: 'dryRun',
    answer: 'organization',
    fields: 'name slug',
  },
  delete: { route: 'DELETE /v1/organizations/:slug' },
}
