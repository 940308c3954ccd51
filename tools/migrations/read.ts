// Reads the folder of migrations: names, order, text, statements. Does not run them.

import { createHash } from 'node:crypto'
import { readFile, readdir } from 'node:fs/promises'
import path from 'node:path'
import { splitStatements, type ScriptStatement } from '../../local/engine/sql-script.ts'

/** One file of the folder, split into statements that still know their line. */
export interface MigrationFile {
  /** For messages: relative to the working directory. */
  readonly path: string
  readonly version: number
  readonly name: string
  /** SHA-256 of the text, in hex; the same whether a checkout ends its lines in LF or CRLF. */
  readonly checksum: string
  readonly statements: readonly ScriptStatement[]
}

/** The migrations of a folder in the order in which they are to be applied. */
export async function readMigrations(folder: string): Promise<MigrationFile[]> {
  const fileNames = (await readdir(folder)).filter(
    (name) => !name.startsWith('.') && !/\.(md|sha256)$/.test(name),
  )
  const files = await Promise.all(fileNames.map((name) => readMigration(path.join(folder, name))))
  files.sort((a, b) => a.version - b.version)
  files.forEach((file, index) => {
    const before = files[index - 1]
    if (before?.version === file.version) {
      throw new Error(`${before.path} and ${path.basename(file.path)} have the same number ${file.version}`)
    }
  })
  return files
}

async function readMigration(file: string): Promise<MigrationFile> {
  const shownPath = path.relative(process.cwd(), file)
  const [, digits, name] = /^(\d{4,})_([A-Za-z0-9_-]+)\.sql$/.exec(path.basename(file)) ?? []
  const version = Number(digits)
  if (!name || !Number.isSafeInteger(version) || version < 1) {
    throw new Error(
      `${shownPath}: a migration is named NNNN_name.sql, from 0001 on, such as 0002_add_tags.sql`,
    )
  }
  const text = decodeUtf8(await readFile(file), shownPath).replaceAll('\r\n', '\n')
  const statements = splitStatements(text)
  if (statements.length === 0) throw new Error(`${shownPath}: contains no statement`)
  const checksum = createHash('sha256').update(text).digest('hex')
  return { path: shownPath, version, name, checksum, statements }
}

function decodeUtf8(bytes: Uint8Array, shownPath: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Error(`${shownPath}: is not UTF-8 text`)
  }
}
