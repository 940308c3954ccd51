/** What the local Turso answers with, in the client's casing, is what the client promises: the types of both are compared. */
import { expectTypeOf, test } from 'vitest'
import type * as wire from '../../local/platform/wire.ts'
import type * as ours from '../../src/index.ts'

type Camel<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name

interface Renamed {
  dbId: 'id'
  uuid: 'id'
  primary: 'primaryLocation'
  primaryRegion: 'primaryLocation'
  regions: 'locations'
  databaseType: 'engine'
  jwksName: 'name'
  jwksUrl: 'url'
}
type Rename<Name extends string> = Name extends keyof Renamed ? Renamed[Name] : Name
type NameOf<Name> = Name extends string ? Rename<Camel<Uncapitalize<Name>>> : never

type FromWire<Value> = Value extends readonly (infer Item)[]
  ? FromWire<Item>[]
  : Value extends object
    ? { [Name in keyof Value as NameOf<Name>]: FromWire<Value[Name]> }
    : Value

/** Members of an answer that the client's type does not have, or has as something else. */
type Mismatch<Wire, Ours> = {
  [Name in keyof FromWire<Wire>]-?: Name extends keyof Ours
    ? FromWire<Wire>[Name] extends Ours[Name] | null | undefined
      ? never
      : Name
    : Name
}[keyof FromWire<Wire>]

test('every member of an answer has a place and a type in the client', () => {
  expectTypeOf<Mismatch<wire.WireCreateDatabaseResponse['database'], ours.CreatedDatabase>>().toBeNever()
  expectTypeOf<Mismatch<wire.WireDatabase, ours.DatabaseDetails>>().toBeNever()
  expectTypeOf<Mismatch<wire.WireDatabaseV3, ours.DatabaseDetails>>().toBeNever()
  expectTypeOf<Mismatch<wire.WireDeletedDatabase, ours.DeletedDatabase>>().toBeNever()
  expectTypeOf<Mismatch<wire.WireDatabaseConfiguration, ours.DatabaseConfiguration>>().toBeNever()
  expectTypeOf<Mismatch<wire.WireInstance, ours.Instance>>().toBeNever()
  expectTypeOf<Mismatch<Omit<wire.WireDatabaseUsage, 'total'>, ours.DatabaseUsage>>().toBeNever()
  expectTypeOf<Mismatch<wire.WireGroup, ours.Group>>().toBeNever()
  expectTypeOf<Mismatch<wire.WireDeletedGroup, ours.DeletedGroup>>().toBeNever()
  expectTypeOf<Mismatch<wire.WireOrganization, ours.Organization>>().toBeNever()
  expectTypeOf<Mismatch<wire.WireOrganizationUsage, ours.OrganizationUsage>>().toBeNever()
  expectTypeOf<Mismatch<wire.WirePlan, ours.Plan>>().toBeNever()
  expectTypeOf<Mismatch<wire.WireSubscription, ours.Subscription>>().toBeNever()
  expectTypeOf<Mismatch<wire.WireInvoice, ours.Invoice>>().toBeNever()
  expectTypeOf<Mismatch<wire.WireMember, ours.Member>>().toBeNever()
  expectTypeOf<Mismatch<wire.WireInvite, ours.Invite>>().toBeNever()
  expectTypeOf<Mismatch<wire.WireUser, ours.User>>().toBeNever()
  expectTypeOf<Mismatch<wire.WireAuditLogsResponse['audit_logs'][number], ours.AuditLog>>().toBeNever()
  expectTypeOf<Mismatch<wire.WireKeySet, ours.KeySet>>().toBeNever()
  expectTypeOf<Mismatch<wire.WireClosestRegion, ours.ClosestLocation>>().toBeNever()
  // Scopes are texts there: the local Turso takes any.
  expectTypeOf<Mismatch<Omit<wire.WireApiToken, 'scopes'>, ours.ApiToken>>().toBeNever()
})

test('a member of another name or type would be found', () => {
  expectTypeOf<Mismatch<{ brand_new: 1 }, ours.Group>>().toEqualTypeOf<'brandNew'>()
  expectTypeOf<Mismatch<{ delete_protection: string }, ours.Group>>().toEqualTypeOf<'deleteProtection'>()
})
