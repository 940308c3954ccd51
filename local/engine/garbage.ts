/** The garbage collector on demand: it alone finalises the statements of the binding (see `engine.ts`). */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

let collect: (() => void) | undefined

/** Collects at once. What it finalises is over when the event loop has come round. */
export function collectGarbage(): void {
  collect ??= exposed()
  collect()
}

/** V8 shows it to contexts that are made while the flag is set. */
function exposed(): () => void {
  setFlagsFromString('--expose-gc')
  try {
    return runInNewContext('gc') as () => void
  } finally {
    setFlagsFromString('--no-expose-gc')
  }
}
