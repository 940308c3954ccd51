/** Who wants to use a stream waits for its turn: in order, not for ever, and not more than so many. */

export interface QueueLimits {
  /** How many may wait for one stream. */
  maxWaiting: number
  maxWaitMs: number
}

/** Thrown instead of a turn: what waited has not begun. */
export class QueueError extends Error {
  override readonly name = 'QueueError'
  readonly reason: 'full' | 'timeout' | 'abandoned'

  constructor(reason: QueueError['reason']) {
    super(`no turn: ${reason}`)
    this.reason = reason
  }
}

interface Waiting {
  begin: () => void
}

export class Queue {
  readonly #limits: QueueLimits
  #isBusy = false
  readonly #waiting: Waiting[] = []

  constructor(limits: QueueLimits) {
    this.#limits = limits
  }

  /** Whether anybody has it, or waits for it. */
  get isBusy(): boolean {
    return this.#isBusy
  }

  /**
   * Runs the action when all before it have ended, however they did. Throws `QueueError` without having run it.
   *
   * @param abandoned aborts when nobody is left who wants it
   */
  async run<T>(action: () => Promise<T>, abandoned?: AbortSignal): Promise<T> {
    if (this.#isBusy) await this.#wait(abandoned)
    this.#isBusy = true
    try {
      return await action()
    } finally {
      const next = this.#waiting.shift()
      // Handed on without a gap in which a newcomer could slip in.
      if (next) next.begin()
      else this.#isBusy = false
    }
  }

  #wait(abandoned?: AbortSignal): Promise<void> {
    if (this.#waiting.length >= this.#limits.maxWaiting) throw new QueueError('full')
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        begin: () => {
          stop()
          resolve()
        },
      }
      const leave = (reason: QueueError['reason']): void => {
        stop()
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
        reject(new QueueError(reason))
      }
      const abandon = (): void => leave('abandoned')
      const timer = setTimeout(() => leave('timeout'), this.#limits.maxWaitMs)
      abandoned?.addEventListener('abort', abandon)
      const stop = (): void => {
        clearTimeout(timer)
        abandoned?.removeEventListener('abort', abandon)
      }
      this.#waiting.push(waiting)
    })
  }
}
