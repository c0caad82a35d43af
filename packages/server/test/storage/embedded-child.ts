/** A FleetLM with nothing but the embedded Postgres, for tests that kill it or run it as another user. */
import { writeSync } from 'node:fs';
import { startEmbeddedPostgres } from '../../src/storage/embedded/embedded-postgres.ts';

const [dataDir] = process.argv.slice(2);
if (dataDir === undefined) throw new Error('usage: embedded-child.ts <data directory>');

const toStderr = (fields: object, message: string) => {
  writeSync(2, `${JSON.stringify({ ...fields, message })}\n`);
};
const log = { debug: toStderr, info: toStderr, warn: toStderr, error: toStderr };

const postgres = await startEmbeddedPostgres({ dataDir, log, settings: { fsync: 'off' } });
process.once('SIGTERM', () => void postgres.stop());
writeSync(1, `${JSON.stringify({ connection: postgres.connection, pid: postgres.pid })}\n`);
