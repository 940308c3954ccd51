/** Who wants to use a stream waits for its turn: in order, not for ever, and not more than so many. */

export interface QueueLimits {
  /** How many may wait for one stream. */
  maxWaiting: number
  maxWaitMs: number
}

/** Thrown instead of a turn: what waited has not begun. */
export class QueueError extends Error {
  override readonly name = 'QueueError'
  readonly reason: 'full' | 'timeout'

  constructor(reason: 'full' | 'timeout') {
    super(reason === 'full' ? 'too many requests wait' : 'waited too long')
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

  /** Runs the action when all before it have ended, however they did. Throws `QueueError` without having run it. */
  async run<T>(action: () => Promise<T>): Promise<T> {
    if (this.#isBusy) await this.#wait()
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

  #wait(): Promise<void> {
    if (this.#waiting.length >= this.#limits.maxWaiting) throw new QueueError('full')
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        begin: () => {
          clearTimeout(timer)
          resolve()
        },
      }
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
        reject(new QueueError('timeout'))
      }, this.#limits.maxWaitMs)
      this.#waiting.push(waiting)
    })
  }
}
