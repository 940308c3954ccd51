/** What one test has Turso refuse must not slow the next one down. */
import { beforeEach } from 'vitest'
import { resetPace } from './pace-control.ts'

beforeEach(resetPace)
