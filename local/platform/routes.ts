/** All endpoints of the Platform API. */
import { apiTokenRoutes } from './api-tokens.ts'
import { auditLogRoutes } from './audit-logs.ts'
import type { Route } from './call.ts'
import { databaseConfigurationRoutes } from './database-configuration.ts'
import { databaseCreationRoutes } from './database-create.ts'
import { databaseRoutes } from './databases.ts'
import { deletedRoutes } from './deleted.ts'
import { groupRoutes } from './groups.ts'
import { keySetRoutes } from './key-sets.ts'
import { locationRoutes } from './locations.ts'
import { memberRoutes } from './members.ts'
import { organizationRoutes } from './organizations.ts'
import { planRoutes } from './plans.ts'
import { sqlTokenRoutes } from './sql-tokens.ts'
import { usageRoutes } from './usage.ts'
import { userRoutes } from './user.ts'
import { version3Routes } from './version-3.ts'

export const routes: readonly Route[] = [
  ...databaseRoutes,
  ...databaseCreationRoutes,
  ...databaseConfigurationRoutes,
  ...sqlTokenRoutes,
  ...usageRoutes,
  ...groupRoutes,
  ...locationRoutes,
  ...organizationRoutes,
  ...planRoutes,
  ...memberRoutes,
  ...apiTokenRoutes,
  ...userRoutes,
  ...auditLogRoutes,
  ...keySetRoutes,
  ...version3Routes,
  ...deletedRoutes,
]
