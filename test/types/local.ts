/** The types of the local Turso, which is for Node. Compiled and never run. */
import {
  createLocalTurso,
  serveLocalTurso,
  type Fault,
  type LocalTurso,
  type LocalTursoServer,
} from 'turso-edge/local'
import { typeOf } from './type-of.ts'

export async function aLocalTursoIsAFetchHandler(): Promise<void> {
  const turso = createLocalTurso({ streamIdleMs: 1_000 })
  typeOf(turso).is<LocalTurso>()
  typeOf(await turso.fetch(new Request('http://127.0.0.1/v1/organizations'))).is<Response>()
  typeOf(await serveLocalTurso(turso, { port: 0 })).is<LocalTursoServer>()
}

export function faultsAreOfTheKindsThatThereAre(): void {
  const fault: Fault = { kind: 'latency', ms: [1, 2], on: 'pipeline' }
  // @ts-expect-error -- there is no such kind
  const wrong: Fault = { kind: 'nope' }
  createLocalTurso({ faults: [fault, wrong] })
}
