/** Whose token it is. */
import type { CallOptions } from '../http/watch.ts'
import type { Endpoints } from './endpoint.ts'
import type { User } from './types.ts'

export interface Users {
  /** `GET /v1/user`. What it throws is said at {@link createPlatform}. */
  retrieve(options?: CallOptions): Promise<User>
}

export const user: Endpoints<Users> = {
  retrieve: { route: 'GET /v1/user', answer: 'user', fields: 'username !mfa !hasPendingInvites' },
}
