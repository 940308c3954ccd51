/** `…/configuration` of a database: what it refuses, and who may reach it. */
import { HttpFailure } from '../errors.ts'
import type { DatabaseRecord } from '../storage/records.ts'
import { route, type Call, type Route } from './call.ts'
import { optionalFlag, optionalTexts } from './fields.ts'
import { requireDatabase } from './lookup.ts'
import { readSizeLimit } from './size-limit.ts'
import type { WireDatabaseConfiguration } from './wire.ts'

const CONFIGURATION = '/v1/organizations/:organization/databases/:database/configuration'

export const databaseConfigurationRoutes: Route[] = [
  route('GET', CONFIGURATION, 'read', (call) => toWireConfiguration(requireDatabase(call))),
  route('PATCH', CONFIGURATION, 'db:configure', updateConfiguration),
]

function updateConfiguration(call: Call): WireDatabaseConfiguration {
  const { body, catalogue } = call
  const record = requireDatabase(call)
  const allowAttach = optionalFlag(body, 'allow_attach')
  if (allowAttach && call.traps.generation !== 'legacy') {
    throw new HttpFailure(400, 'allow_attach is not supported for db-api controlled databases')
  }
  const changes = {
    blockReads: optionalFlag(body, 'block_reads'),
    blockWrites: optionalFlag(body, 'block_writes'),
    deleteProtection: optionalFlag(body, 'delete_protection'),
    allowAttach,
    sizeLimit: readSizeLimit(call),
    allowedIps: optionalTexts(body, 'allowed_ips', /^[0-9a-fA-F.:]{2,45}(\/[0-9]{1,3})?$/),
    allowedAwsVpcIds: optionalTexts(body, 'allowed_aws_vpc_ids', /^[A-Za-z0-9-]{1,64}$/),
  }
  if (call.plan === 'starter' && (changes.allowedIps?.length || changes.allowedAwsVpcIds?.length)) {
    throw new HttpFailure(403, 'allow rules are available on paid plans only')
  }
  const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
  catalogue.databases.update(record.id, given)
  const code =
    changes.deleteProtection === undefined || changes.deleteProtection === record.deleteProtection
      ? 'db-configure'
      : changes.deleteProtection
        ? 'db-protect'
        : 'db-unprotect'
  call.audit(code, `database ${record.name} configured`, { database: record.name, ...given })
  return toWireConfiguration(requireDatabase(call))
}

function toWireConfiguration(record: DatabaseRecord): WireDatabaseConfiguration {
  return {
    size_limit: record.sizeLimit,
    allow_attach: record.allowAttach,
    block_reads: record.blockReads,
    block_writes: record.blockWrites,
    delete_protection: record.deleteProtection,
    allowed_ips: [...record.allowedIps],
    allowed_aws_vpc_ids: [...record.allowedAwsVpcIds],
  }
}
