import { runInDurableObject } from 'cloudflare:test'
import { expect } from 'vitest'

/** Answers nobody until it is told to go on. */
export async function hang(object: DurableObjectStub): Promise<() => Promise<void>> {
  let isHanging = false
  let isTold = false
  const hanging = runInDurableObject(object, async (_, state) => {
    await state.blockConcurrencyWhile(async () => {
      isHanging = true
      while (!isTold) await scheduler.wait(20)
    })
  })
  await expect.poll(() => isHanging).toBe(true)
  return async () => {
    isTold = true
    await hanging
  }
}
