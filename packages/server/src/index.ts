export { type Config, ConfigError, parseConfig } from './config/config.ts';
export { describeConfiguration } from './config/describe-configuration.ts';
export type { Overrides } from './context.ts';
export type { Log } from './lib/log.ts';
export { describeMetrics } from './observability/describe-metrics.ts';
export { Server } from './server.ts';
export type { ConnectionTarget } from './storage/connection.ts';
export { type EmbeddedPostgres, startEmbeddedPostgres } from './storage/embedded/embedded-postgres.ts';
export { migrateDatabase } from './storage/migrate-database.ts';
