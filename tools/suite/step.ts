import { runCommand } from '../process/run-command.ts'

/** What a step has to say when it is over. */
export interface StepResult {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** Shown when something failed. */
  readonly output: string
}

/** What a step may use. */
export interface StepContext {
  /** A folder that is removed after the run. */
  readonly temporaryFolder: string
  readonly signal: AbortSignal
}

export interface Step {
  /** `name` or `group:name`; a run can be limited to either. */
  readonly name: string
  readonly run: (context: StepContext) => Promise<StepResult>
}

const COMMAND_TIMEOUT_MS = 300_000

/** A step that is one test: a command that has to succeed. */
export function commandStep(
  name: string,
  command: readonly string[] | ((context: StepContext) => readonly string[]),
): Step {
  return {
    name,
    run: async (context) => {
      const { succeeded, output } = await runCommand(
        typeof command === 'function' ? command(context) : command,
        { timeoutMs: COMMAND_TIMEOUT_MS, signal: context.signal },
      )
      return { passed: succeeded ? 1 : 0, failed: succeeded ? 0 : 1, skipped: 0, output }
    },
  }
}
