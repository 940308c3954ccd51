/** Compiled rather than run: what was written for one of the two clients is accepted by the other. */
import type * as theirs from '@libsql/client/http'
import { expectTypeOf, test } from 'vitest'
import type * as ours from '../../../src/libsql/index.ts'

test('every type can be assigned to its namesake of @libsql/client, and back', () => {
  expectTypeOf<ours.Client>().toExtend<theirs.Client>()
  expectTypeOf<theirs.Client>().toExtend<ours.Client>()
  expectTypeOf<ours.Transaction>().toExtend<theirs.Transaction>()
  expectTypeOf<theirs.Transaction>().toExtend<ours.Transaction>()
  expectTypeOf<ours.ResultSet>().toExtend<theirs.ResultSet>()
  expectTypeOf<theirs.ResultSet>().toExtend<ours.ResultSet>()
  expectTypeOf<ours.Row>().toEqualTypeOf<theirs.Row>()
  expectTypeOf<ours.Value>().toEqualTypeOf<theirs.Value>()
  expectTypeOf<ours.InValue>().toEqualTypeOf<theirs.InValue>()
  expectTypeOf<ours.InArgs>().toEqualTypeOf<theirs.InArgs>()
  expectTypeOf<ours.InStatement>().toEqualTypeOf<theirs.InStatement>()
  expectTypeOf<ours.TransactionMode>().toEqualTypeOf<theirs.TransactionMode>()
  expectTypeOf<ours.IntMode>().toEqualTypeOf<theirs.IntMode>()
  expectTypeOf<ours.Replicated>().toEqualTypeOf<theirs.Replicated>()
  expectTypeOf<ours.LibsqlError>().toExtend<theirs.LibsqlError>()
  expectTypeOf<theirs.LibsqlError>().toExtend<ours.LibsqlError>()
  expectTypeOf<ours.LibsqlBatchError>().toExtend<theirs.LibsqlBatchError>()
  expectTypeOf<theirs.LibsqlBatchError>().toExtend<ours.LibsqlBatchError>()
  expectTypeOf<typeof ours.LibsqlError>().toExtend<typeof theirs.LibsqlError>()
  expectTypeOf<typeof ours.createClient>().toExtend<typeof theirs.createClient>()
})

test('a configuration for @libsql/client is one for this client; the other way, where undefined is a value', () => {
  expectTypeOf<theirs.Config>().toExtend<ours.Config>()
  type Defined = { [Key in keyof ours.Config]: Exclude<ours.Config[Key], undefined> }
  expectTypeOf<Required<Defined>>().toExtend<theirs.Config>()
})
