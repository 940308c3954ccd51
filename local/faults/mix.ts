/** What a seed alone stands for: now and then, everything that can go wrong. */
import type { Fault } from './script.ts'

/** About one request in six meets something, and most of that is a short delay. */
export function mixOfEverything(): Fault[] {
  return [
    { kind: 'latency', ms: [1, 50], probability: 0.1 },
    { kind: 'rate_limited', probability: 0.01 },
    { kind: 'rate_limited', retryAfter: 1, probability: 0.01 },
    { kind: 'server_error', status: 500, probability: 0.005 },
    { kind: 'server_error', status: 503, probability: 0.005 },
    { kind: 'html', probability: 0.005 },
    { kind: 'reset_before', probability: 0.01 },
    { kind: 'reset_after', probability: 0.01 },
    { kind: 'truncated', share: [0, 1], probability: 0.005 },
    { kind: 'truncated', share: [0, 1], ending: 'clean', probability: 0.005 },
    { kind: 'slow_body', ms: [1, 5], probability: 0.01 },
    { kind: 'wrong_shape', probability: 0.002 },
    { kind: 'redirect', to: 'https://elsewhere.invalid/', probability: 0.002 },
    { kind: 'stream_expired', on: 'sql', probability: 0.005 },
    { kind: 'restart', on: 'sql', probability: 0.001 },
    { kind: 'base_url', on: 'sql', url: 'https://elsewhere.invalid/', probability: 0.002 },
  ]
}
