// What publint and "are the types wrong" have to say about a tarball. Nothing may be left to say.

import { readFile } from 'node:fs/promises'
import { checkPackage, createPackageFromTarballData, type Problem } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'

/** The complaints, one line each. */
export async function checkTarball(tarball: string): Promise<readonly string[]> {
  const bytes = Uint8Array.from(await readFile(tarball))
  return [...(await askPublint(bytes)), ...(await askAreTheTypesWrong(bytes))]
}

/** Its suggestions as well as its warnings and errors. */
async function askPublint(bytes: Uint8Array<ArrayBuffer>): Promise<string[]> {
  const { messages, pkg } = await publint({ pack: { tarball: bytes.buffer }, strict: true })
  return messages.map(
    (message) => `publint: ${formatMessage(message, pkg, { color: false }) ?? message.code}`,
  )
}

async function askAreTheTypesWrong(bytes: Uint8Array): Promise<string[]> {
  const result = await checkPackage(createPackageFromTarballData(bytes))
  if (!result.types) return ['are the types wrong: the package has no types']
  return result.problems
    .filter((problem) => !isOfCommonJs(problem))
    .map((problem) => `are the types wrong: ${JSON.stringify(problem)}`)
}

/** The package is of ECMAScript modules alone: that `require` and resolvers older than `exports` cannot have it is meant. */
function isOfCommonJs(problem: Problem): boolean {
  return (
    'resolutionKind' in problem &&
    (problem.resolutionKind === 'node10' || problem.resolutionKind === 'node16-cjs')
  )
}
