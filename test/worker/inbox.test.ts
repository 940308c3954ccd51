import { describe, expect, test } from 'vitest'
import { memoryOf, createInboxes, type Held } from '../../worker/socket/inbox.ts'

const LIMITS = { bytes: 100, ownBytes: 10, lastsMs: 1_000 }

function holding(held: Held | null): Held {
  if (held === null) throw new Error('there is no room')
  return held
}

describe('the inboxes of all sockets of an isolate', () => {
  test('hold so much together, and again as much once that is released', () => {
    const open = createInboxes(LIMITS)
    const [one, other] = [open(), open()]
    const first = holding(one.hold(60))
    expect(other.hold(41)).toBeNull()
    const second = holding(other.hold(40))
    expect(one.hold(11)).toBeNull()
    first.release()
    // Twice is once.
    first.release()
    expect(other.hold(61)).toBeNull()
    holding(other.hold(60)).release()
    second.release()
    holding(one.hold(100)).release()
  })

  test('have room for what is small, whatever others hold, but not for any amount of it', () => {
    const open = createInboxes(LIMITS)
    const [one, other] = [open(), open()]
    const large = holding(one.hold(100))
    for (const inbox of [one, other]) {
      const small = [holding(inbox.hold(4)), holding(inbox.hold(6))]
      expect(inbox.hold(1)).toBeNull()
      small[0]!.release()
      holding(inbox.hold(4)).release()
      small[1]!.release()
    }
    large.release()
    // What one has of it beyond its own counts with all else.
    for (let n = 0; n < 11; n++) holding(one.hold(10))
    expect(one.hold(1)).toBeNull()
    expect(other.hold(11)).toBeNull()
    holding(other.hold(10))
  })

  test('hold one message alone that is larger than that', () => {
    const open = createInboxes(LIMITS)
    const [one, other] = [open(), open()]
    const small = holding(other.hold(10))
    const alone = holding(one.hold(1_000))
    expect(one.hold(11)).toBeNull()
    expect(other.hold(11)).toBeNull()
    alone.release()
    const first = holding(other.hold(11))
    expect(one.hold(1_000)).toBeNull()
    first.release()
    small.release()
  })

  test('hold more of a message that has grown, if there is room, and less of one that has not', () => {
    const open = createInboxes(LIMITS)
    const [one, other] = [open(), open()]
    const grown = holding(one.hold(5))
    const large = holding(other.hold(50))
    expect(grown.resize(51)).toBe(false)
    expect(grown.resize(50)).toBe(true)
    expect(large.resize(51)).toBe(false)
    expect(grown.resize(10)).toBe(true)
    expect(large.resize(100)).toBe(true)
    grown.release()
    holding(one.hold(10))
  })

  test('forget what an object held that has been gone for long', () => {
    let time = 0
    const open = createInboxes(LIMITS, () => time)
    const [gone, other] = [open(), open()]
    const late = holding(gone.hold(100))
    time = 999
    expect(other.hold(11)).toBeNull()
    time = 1_000
    const held = holding(other.hold(90))
    // It was not gone after all: what it holds counts again when it changes, and is released once.
    const more = holding(gone.hold(10))
    expect(other.hold(20)).toBeNull()
    late.release()
    more.release()
    held.release()
    holding(other.hold(100))
  })
})

test('a text takes two bytes for each character if one of them needs more than one', () => {
  expect(memoryOf('abcé')).toBe(4)
  expect(memoryOf('abc€')).toBe(8)
  expect(memoryOf('')).toBe(0)
  expect(memoryOf(new ArrayBuffer(5))).toBe(5)
})
