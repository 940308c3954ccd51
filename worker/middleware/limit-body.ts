/** Refuses a body beyond a size, whether it announces it or not. */
import { bodyLimit } from 'hono/body-limit'
import { Problem } from '../problem.ts'

export const limitBody = (maxBytes: number) =>
  bodyLimit({
    maxSize: maxBytes,
    onError: () => {
      throw new Problem('payload_too_large', `The body has more than ${maxBytes} bytes`)
    },
  })
