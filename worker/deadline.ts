/** Waiting for so long and no longer. */

/** @returns `undefined` when the work is not done by then. It goes on, and so does nothing of the timer. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | null = null
  const time = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms)
  })
  try {
    return await Promise.race([work, time])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * For calls of objects: a session that hangs must not hang what others are done for.
 *
 * @throws {Error} when there is no answer by then, as `retryable` as if the object had moved: it may do it yet
 */
export async function answerWithin<T>(ms: number, work: Promise<T>): Promise<T> {
  const settled = await within(
    ms,
    work.then((value) => ({ value })),
  )
  if (settled === undefined) throw Object.assign(new Error(`no answer within ${ms} ms`), { retryable: true })
  return settled.value
}
