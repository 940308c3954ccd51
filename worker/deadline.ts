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
