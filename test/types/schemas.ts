/** Rows typed by the validators that people use. Compiled and never run. */
import { connect, type Result } from 'turso-edge'
import * as v from 'valibot'
import * as z from 'zod'
import * as mini from 'zod/mini'
import { typeOf } from './type-of.ts'

const db = connect({ url: 'libsql://example.turso.io' })

export async function aValidatorSaysWhatRowsAre(): Promise<void> {
  const ofZod = z.object({ id: z.number(), done: z.number().transform((done) => done === 1) })
  const ofZodMini = mini.object({ id: mini.number(), title: mini.nullable(mini.string()) })
  const ofValibot = v.object({
    id: v.number(),
    at: v.pipe(
      v.string(),
      v.transform((at) => new Date(at)),
    ),
  })

  typeOf(await db.execute('select 1', [], { schema: ofZod })).is<Result<{ id: number; done: boolean }>>()
  typeOf(await db.batch(['select 1'], { schema: ofZodMini })).is<
    Result<{ id: number; title: string | null }>[]
  >()
  for await (const row of db.stream('select 1', [], { schema: ofValibot }))
    typeOf(row).is<{ id: number; at: Date }>()
}
