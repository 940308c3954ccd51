/** The user whose tokens all tokens are. */
import { route, type Call, type Route } from './call.ts'
import type { WireUser } from './wire.ts'

export const userRoutes: Route[] = [
  route('GET', '/v1/user', 'any', retrieveUser),
  // The older name, which the CLI uses.
  route('GET', '/v1/current-user', 'any', retrieveUser),
]

function retrieveUser({ user, plan }: Call): { user: WireUser } {
  return {
    user: {
      username: user.username,
      name: user.username,
      email: user.email,
      avatarUrl: '',
      plan,
      mfa: false,
      has_pending_invites: false,
    },
  }
}
