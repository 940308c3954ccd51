import { fieldOf, workerStatuses } from '../support/stack/processes.ts'

/** Of all processes that run the Worker, in bytes. */
export async function workerMemory(): Promise<number> {
  const statuses = await workerStatuses()
  return statuses.reduce((sum, status) => sum + Number(fieldOf(status, 'VmRSS')) * 1024, 0)
}
