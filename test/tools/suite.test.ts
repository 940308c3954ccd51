import { describe, expect, it } from 'vitest'
import { runCommand } from '../../tools/process/run-command.ts'
import { selectSteps, stages } from '../../tools/suite/stages.ts'
import { countVitest } from '../../tools/suite/vitest-step.ts'
import { PATIENCE_MS } from '../support/patience.ts'

function report({
  passed = 0,
  failed = 0,
  pending = 0,
  todo = 0,
  files = [{ status: 'passed', tests: ['passed'] }],
}) {
  return JSON.stringify({
    numPassedTests: passed,
    numFailedTests: failed,
    numPendingTests: pending,
    numTodoTests: todo,
    testResults: files.map(({ status, tests }) => ({
      status,
      assertionResults: tests.map((test) => ({ status: test })),
    })),
  })
}

describe('countVitest', () => {
  it('counts what passed, failed and was skipped', () => {
    const files = [{ status: 'failed', tests: ['passed', 'failed'] }]
    const text = report({ passed: 5, failed: 2, pending: 3, todo: 1, files })
    expect(countVitest({ succeeded: false, output: 'out', report: text })).toEqual({
      passed: 5,
      failed: 2,
      skipped: 4,
      output: 'out',
    })
  })

  it('counts a file that could not be loaded as one failure', () => {
    const files = [{ status: 'failed', tests: [] }]
    expect(countVitest({ succeeded: false, output: '', report: report({ passed: 5, files }) })).toMatchObject(
      {
        passed: 5,
        failed: 1,
      },
    )
  })

  it('counts an error outside of any test as one failure', () => {
    expect(countVitest({ succeeded: false, output: '', report: report({ passed: 5 }) })).toMatchObject({
      failed: 1,
    })
  })

  it.each([undefined, '', '{', '{"numPassedTests":3}'])('fails without a readable report: %s', (text) => {
    expect(countVitest({ succeeded: true, output: '', report: text })).toMatchObject({ passed: 0, failed: 1 })
  })

  it('fails when no test ran', () => {
    expect(countVitest({ succeeded: true, output: '', report: report({ pending: 3 }) })).toMatchObject({
      passed: 0,
      failed: 1,
      skipped: 3,
    })
  })
})

describe('selectSteps', () => {
  const namesOf = (names: string[]) =>
    selectSteps(names)
      .flat(2)
      .map(({ name }) => name)

  it('takes all steps unless some are named, by name or by group', () => {
    expect(selectSteps([])).toBe(stages)
    expect(namesOf(['lint', 'size:library'])).toEqual(['lint', 'size:library'])
    expect(namesOf(['types']).toSorted()).toEqual([
      'types:consumer',
      'types:examples',
      'types:node',
      'types:src',
      'types:test',
      'types:worker',
    ])
  })

  it('refuses a name that does not exist and says which do', () => {
    expect(() => selectSteps(['lint', 'typos'])).toThrow(
      /no step is named "typos"; there are: generate, .*types, /,
    )
  })
})

describe('npm test', () => {
  const run = (...names: string[]) =>
    runCommand([process.execPath, 'tools/test.ts', ...names], {
      timeoutMs: PATIENCE_MS,
      signal: new AbortController().signal,
    })

  it('ends with the count of what was asked for', async () => {
    const { succeeded, output } = await run('generate')
    expect(output).toMatch(/^only generate\nok {4}generate +\d+\.\d s\n1 passed, 0 failed\n$/)
    expect(succeeded).toBe(true)
  })

  it('refuses an unknown step', async () => {
    expect((await run('typos')).output).toMatch(/^no step is named "typos".*\n.*ended with code 2$/)
  })
})
