/** The Worker's clock, objects included: what it says, not when alarms ring. The local Turso has its own. */
import { vi } from 'vitest'

export function putClockForward(ms: number): void {
  vi.setSystemTime(Date.now() + ms)
}

/** To be called after each test that has put it forward. */
export const resetClock = (): void => void vi.useRealTimers()
