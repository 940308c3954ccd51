/**
 * The files share a Worker, as to start one takes two seconds. Yet each begins as if it had its own: with empty storage,
 * without the objects of the others, and with modules that have just been loaded.
 */
import { beforeAll, beforeEach, vi } from 'vitest'

vi.useRealTimers()
vi.restoreAllMocks()
vi.resetModules()
// Only now: they are to belong to this file's modules.
await import('../support/property-seed.ts')
const { emptyStorage } = await import('./objects.ts')
const { resetPace } = await import('./pace-control.ts')

beforeAll(emptyStorage)

// What one test has Turso refuse must not slow the next one down.
beforeEach(resetPace)
