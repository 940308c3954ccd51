/** Options that are looked at before they are sent: what the API would refuse, or take for more than was meant. */
import { EXPIRATION } from './expiration.ts'
import { AUTHORIZATION, isTexts, requireNames, textOf, type Pattern } from './options.ts'
import { attachedBy, requireRules } from './permissions.ts'

/** Takes the options of a method and returns those to send. Throws `TypeError` for what is amiss with them. */
export type Check = (options: Readonly<Record<string, unknown>>) => object

const SIZE: Pattern = [/^\d{1,15}([kmgt]?b)?$/i, 'a number of bytes, or one with a unit such as 500mb']

/** Of every method that makes a token for SQL. */
export const checkToken: Check = (options) => {
  const { expiration, authorization, permissions, fineGrainedPermissions } = options
  if (expiration !== undefined) textOf('expiration', expiration, EXPIRATION)
  if (authorization !== undefined) textOf('authorization', authorization, AUTHORIZATION)
  if (fineGrainedPermissions !== undefined) requireRules(fineGrainedPermissions)
  // AWS databases refuse permissions even when they are empty (turso-api-client-ts#30).
  return attachedBy(permissions).length > 0 ? options : { ...options, permissions: undefined }
}

export const checkNewDatabase: Check = (options) => {
  const { seed, remoteEncryption } = options
  if (seed !== undefined) requireNames('"seed"', seed, 'type name timestamp url')
  if (remoteEncryption !== undefined)
    requireNames('"remoteEncryption"', remoteEncryption, 'encryptionKey encryptionCipher')
  return checkSize(options)
}

export const checkSize: Check = (options) => {
  const { sizeLimit } = options
  return sizeLimit === undefined ? options : { ...options, sizeLimit: textOf('sizeLimit', sizeLimit, SIZE) }
}

/** The API makes a token of no scopes that can do everything. */
export const checkScopes: Check = (options) => {
  const { scopes } = options
  if (scopes !== undefined && !(isTexts(scopes) && scopes.length > 0))
    throw new TypeError('"scopes" must be a list of what the token may do, with something in it')
  return options
}
