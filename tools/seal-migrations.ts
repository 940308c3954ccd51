// Runs after `npm run deploy`: what was deployed must not be changed any more. To be committed with the migrations.

import { REPOSITORY_MIGRATIONS } from './bundle-migrations.ts'
import { readMigrations } from './migrations/read.ts'
import { SEAL, writeSeal } from './migrations/seal.ts'

const { from } = REPOSITORY_MIGRATIONS
await writeSeal(from, await readMigrations(from))
console.log(`migrations/${SEAL} says what was deployed. Commit it.`)
