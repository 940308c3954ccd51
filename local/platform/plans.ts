/** Plans and what comes with them, and the bills: there are none. Source: https://turso.tech/pricing, 2026 */
import { HttpFailure } from '../errors.ts'
import { route, type Call, type Route } from './call.ts'
import type { WireInvoice, WirePlan, WireSubscription } from './wire.ts'

export type PlanName = 'starter' | 'developer' | 'scaler' | 'pro'

export const PLAN_NAMES: readonly PlanName[] = ['starter', 'developer', 'scaler', 'pro']

const ORGANIZATION = '/v1/organizations/:organization'

export const planRoutes: Route[] = [
  route('GET', '/v1/plans', 'any', () => ({ plans: PLANS })),
  route('GET', `${ORGANIZATION}/plans`, 'organization', () => ({ plans: PLANS })),
  route('GET', `${ORGANIZATION}/subscription`, 'organization', (call) => ({
    subscription: subscriptionOf(call),
  })),
  route('GET', `${ORGANIZATION}/invoices`, 'organization', listInvoices),
]

export function planOf(name: PlanName): WirePlan {
  return PLANS[PLAN_NAMES.indexOf(name)]!
}

/** Throws `HttpFailure` 403 on the free plan, with the code that goes with it. */
export function requirePaidPlan({ plan }: Pick<Call, 'plan'>, feature: string): void {
  if (plan !== 'starter') return
  throw new HttpFailure(
    403,
    `${feature} is not available on the starter plan`,
    'feature_not_available_for_starter_plan',
  )
}

/** Throws `HttpFailure` 403 below the Scaler plan. */
export function requireScalerPlan(call: Pick<Call, 'plan'>, feature: string): void {
  requirePaidPlan(call, feature)
  if (call.plan === 'developer')
    throw new HttpFailure(403, `${feature} is not available on the developer plan`)
}

function subscriptionOf({ plan, organization }: Call): WireSubscription {
  return { name: plan, plan, overages: organization.overages, timeline: 'monthly' }
}

function listInvoices({ query }: Call): { invoices: WireInvoice[] } {
  const type = query.get('type') ?? 'all'
  if (!['all', 'upcoming', 'issued'].includes(type)) throw new HttpFailure(400, 'invalid invoice type')
  return { invoices: [] }
}

const UNLIMITED = 1_000_000_000

const PLANS: readonly WirePlan[] = [
  plan('starter', '0', 500e6, 10e6, 100, 5e9, 1, 0),
  plan('developer', '5.99', 2.5e9, 25e6, UNLIMITED, 9e9, 1, 10e9),
  plan('scaler', '29', 100e9, 100e6, UNLIMITED, 24e9, UNLIMITED, 24e9),
  plan('pro', '499', 250e9, 250e6, UNLIMITED, 50e9, UNLIMITED, 100e9),
]

function plan(
  name: PlanName,
  price: string,
  rowsRead: number,
  rowsWritten: number,
  databases: number,
  storage: number,
  groups: number,
  bytesSynced: number,
): WirePlan {
  return {
    name,
    price,
    prices: [{ value: price, timeline: 'monthly' }],
    quotas: { rowsRead, rowsWritten, databases, locations: 1, storage, groups, bytesSynced },
  }
}
