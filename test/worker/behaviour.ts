/** Which server the Turso of this project is like. */
import { inject } from 'vitest'
import type { BehaviourName } from '../../local/behaviour.ts'

declare module 'vitest' {
  interface ProvidedContext {
    behaviour: BehaviourName
  }
}

export const behaviour = inject('behaviour')
