/**
 * Bugs that the simulator must find: each is one that somebody could make, in a module that is shipped.
 * `test/tools/planted-bugs.test.ts` plants one after the other in a copy, and expects that a seed fails.
 */

export interface PlantedBug {
  what: string
  /** Path from the repository's root. */
  file: string
  /** What is there, once. */
  right: string
  wrong: string
  /** The invariant by which it is found. */
  breaks: RegExp
  /** In which simulation; default: that of the saga. */
  simulation?: 'storage'
}

export const plantedBugs: readonly PlantedBug[] = [
  {
    what: 'a run forgets that somebody was given a token while it was under way',
    file: 'worker/record/tenant.ts',
    right: 'return isHandedOut && !own.isHandedOut ? { ...own, isHandedOut } : own',
    wrong: 'return isHandedOut ? own : own',
    breaks: /I4/,
  },
  {
    what: 'confirmations count for the opposite of what they were given for',
    file: 'worker/record/tenant.ts',
    right: 'access: { ...record.access, confirmations: 0, attempts: 0, retryAt: null }',
    wrong: 'access: { ...record.access, attempts: 0, retryAt: null }',
    breaks: /I11/,
  },
  {
    what: 'one answer is enough while a call for the opposite may be on its way',
    file: 'worker/saga/policy.ts',
    right: 'export const CONFIRMATIONS = 4',
    wrong: 'export const CONFIRMATIONS = 1',
    breaks: /I11/,
  },
  {
    what: 'a suspension that was not answered counts as not sent',
    file: 'worker/saga/access.ts',
    right: '(result.isHarmless ? access : accessInDoubt(access))',
    wrong: 'access',
    breaks: /I11/,
  },
  {
    what: 'a token that was on its way is given to a tenant that was suspended meanwhile',
    file: 'worker/record/tenant.ts',
    right: "if (stored.suspension !== null) return 'suspended'\n  if (!own",
    wrong: 'if (!own',
    breaks: /I11/,
  },
  {
    what: 'a delivery that is not the latest counts as all',
    file: 'worker/directory/outbox.ts',
    right: 'const isDone = isLatest && receipt.isCurrent && owed(1).length === 0',
    wrong: 'const isDone = receipt.isCurrent && owed(1).length === 0',
    breaks: /I2/,
  },
  {
    what: 'a delivery counts as all while rows of the audit are left',
    file: 'worker/directory/outbox.ts',
    right: 'const isDone = isLatest && receipt.isCurrent && owed(1).length === 0',
    wrong: 'const isDone = isLatest && receipt.isCurrent',
    breaks: /I8/,
  },
  {
    what: 'a directory that knows a higher number is believed to have taken the delivery',
    file: 'worker/directory/outbox.ts',
    right: 'const isOutnumbered = isLatest && !receipt.isCurrent',
    wrong: 'const isOutnumbered = false',
    breaks: /I6|I2/,
  },
  {
    what: 'a directory that is down is asked at once, over and over',
    file: 'worker/directory/outbox.ts',
    right: 'retryAt: now + delayAfter(DIRECTORY_RETRY, attempts, random, null)',
    wrong: 'retryAt: now + 1 + 0 * delayAfter(DIRECTORY_RETRY, attempts, random, null)',
    breaks: /I12|I6/,
  },
  {
    what: 'a change of the row has the number of the one before',
    file: 'worker/directory/outbox.ts',
    right: 'revision: state.revision + (hasNews ? 1 : 0)',
    wrong: 'revision: Math.max(1, state.revision)',
    breaks: /I2/,
  },
  {
    what: 'a creation that was interrupted counts as not sent',
    file: 'worker/saga/machine.ts',
    right: "if (effect === 'create_database') next.mayAppear = true",
    wrong: '',
    breaks: /I1|I2|I6/,
  },
  {
    what: 'a creation that was not answered counts as not sent',
    file: 'worker/saga/machine.ts',
    right: 'const changes = { mayAppear: state.mayAppear || isUnknown }',
    wrong: 'const changes = { mayAppear: state.mayAppear && isUnknown }',
    breaks: /I1|I2|I6/,
  },
  {
    what: 'a database that is not there once counts as gone, though its creation may be on its way',
    file: 'worker/saga/policy.ts',
    right: 'export const ABSENCES_UNTIL_GONE = 4',
    wrong: 'export const ABSENCES_UNTIL_GONE = 1',
    breaks: /I2/,
  },
  {
    what: 'a signup that fails forgets its database',
    file: 'worker/saga/machine.ts',
    right: 'return [...orphans, { name,',
    wrong: 'return [...orphans].concat([]) ?? [{ name,',
    breaks: /I2/,
  },
  {
    what: 'a run that was overtaken goes on',
    file: 'worker/saga/run.ts',
    right: 'return stored.run > own.run',
    wrong: 'return false',
    breaks: /I1|I2|I10|I11/,
  },
  {
    what: 'a restored tenant does not overtake the run that deletes it',
    file: 'worker/record/tenant.ts',
    right: 'purgeAt: null, run: record.run + 1 }',
    wrong: 'purgeAt: null }',
    breaks: /I1|I10/,
  },
  {
    what: 'a signup is handed out again without its key',
    file: 'worker/record/tenant.ts',
    right: "return isSameKey ? 'replay' : 'exists'",
    wrong: "return 'replay'",
    breaks: /I4/,
  },
  {
    what: 'the alarm is set behind the call and not before it',
    file: 'worker/saga/run.ts',
    right: 'yield write(now + WATCHDOG_MS)',
    wrong: 'yield write(null)',
    breaks: /I6/,
  },
  {
    what: 'a database is taken for ours by its name alone',
    file: 'worker/saga/machine.ts',
    right: "isProven: state.isProven || kind === 'create_database'",
    wrong: 'isProven: true',
    breaks: /I13/,
  },
  {
    what: 'a database is deleted by its name alone',
    file: 'worker/saga/machine.ts',
    right: 'const unproven = isProven ? null : claimOf(state)',
    wrong: 'const unproven = isProven ? null : null',
    breaks: /I13/,
  },
  {
    what: 'what a creation that came twice has made is nobody’s',
    file: 'worker/saga/machine.ts',
    right: "step: 'find_database', mayAppear: true }",
    wrong: "step: 'find_database' }",
    breaks: /I2/,
  },
  {
    what: 'nobody looks whether a platform token that was refused is accepted again',
    file: 'worker/turso/pace.ts',
    right: 'if (now < breaker.nextProbeAt)',
    wrong: 'if (now < Infinity)',
    breaks: /I6/,
  },
  {
    what: 'what was counted in a row of the audit while that was on its way is lost',
    file: 'worker/directory/outbox.ts',
    right: 'if (storage.get<AuditEntry>(AUDIT + id)?.repeats === repeats) storage',
    wrong: 'if (repeats !== null) storage',
    breaks: /I8/,
  },
  {
    what: 'what a rebuild sends is owed without an alarm',
    file: 'worker/objects/tenant-storage.ts',
    right:
      "return 'empty'\n      // In case that nobody is there to see how the delivery ends.\n      await setAlarm()",
    wrong: "return 'empty'",
    breaks: /something is owed/,
    simulation: 'storage',
  },
  {
    what: 'what is left of a tenant is deleted before the directory has heard of its end',
    file: 'worker/objects/tenant-storage.ts',
    right: 'if (isDone && read() === undefined) {',
    wrong: 'if (read() === undefined) {',
    breaks: /I2|I8/,
    simulation: 'storage',
  },
  {
    what: 'a delivery that has failed is left at that',
    file: 'worker/objects/delivery.ts',
    right: 'outbox.failed(Date.now(), Math.random())',
    wrong: 'outbox.delivered({ ...publication, audit: [] }, { isCurrent: true, revision: 0 }, Date.now())',
    breaks: /I2|I8/,
    simulation: 'storage',
  },
  {
    what: 'an older delivery that comes late takes the place of a newer one',
    file: 'worker/directory/publish.ts',
    right: 'expected_by = excluded.expected_by\n       where excluded.revision > revision',
    wrong: 'expected_by = excluded.expected_by where true',
    breaks: /I2/,
    simulation: 'storage',
  },
  {
    what: 'a tenant that is gone is back with a late delivery',
    file: 'worker/directory/publish.ts',
    right: 'where not exists (select 1 from forgotten where id = ?1 and revision >= ?2)',
    wrong: 'where true',
    breaks: /I2/,
    simulation: 'storage',
  },
  {
    what: 'rows of the audit that come twice are there twice',
    file: 'worker/directory/publish.ts',
    right: "['id', 'actor'",
    wrong: `["id' || hex(randomblob(4)) || '", 'actor'`,
    breaks: /I8/,
    simulation: 'storage',
  },
  {
    what: 'the alarm that has gone off is believed to be set still',
    file: 'worker/objects/tenant-storage.ts',
    right: 'alarmCame: () => void (setTo = null)',
    wrong: 'alarmCame: () => undefined',
    breaks: /something is owed|I2|I8/,
    simulation: 'storage',
  },
]
