import path from 'node:path'
import type { StepContext } from './step.ts'

/** Tells the tests which tarball to install, so that they need not build and pack one of their own. */
export const TARBALL_VARIABLE = 'TURSO_EDGE_TARBALL'

/** Where the step `package` leaves its tarball. */
export function tarballIn({ temporaryFolder }: StepContext): string {
  return path.join(temporaryFolder, 'turso-edge.tgz')
}
