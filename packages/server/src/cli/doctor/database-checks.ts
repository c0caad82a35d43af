import type { Config } from '../../config/config.ts';
import { explainFailure, oldestVersion } from '../../storage/check-server.ts';
import type { ConnectionTarget } from '../../storage/connection.ts';
import { losses, mend } from '../../storage/durability.ts';
import { type Check, checksOf } from './check.ts';
import { connectionsToPostgres } from './connection-budget.ts';
import { type DatabaseFacts, readDatabaseFacts } from './database-facts.ts';

const { ok, warn, fail } = checksOf('database');

/** Tokens allow a leeway of 5 s, and messages are shown with Postgres' time beside the node's. */
const maxClockDifferenceMs = 1_000;

const loopbackHosts = new Set(['localhost', '127.0.0.1', '::1']);

/** Whether a Postgres can be used, and keeps what is acknowledged. */
export async function checkDatabase(target: ConnectionTarget, config: Config): Promise<readonly Check[]> {
  try {
    return judgeDatabase(await readDatabaseFacts(target), config);
  } catch (error) {
    const { what, remedy } = explainFailure(error);
    return [fail(what, remedy)];
  }
}

/** What the facts mean for a server with this configuration. */
export function judgeDatabase(facts: DatabaseFacts, config: Config): readonly Check[] {
  return [
    judgeVersion(facts),
    judgeEncryption(facts),
    judgeTables(facts, config),
    ...judgeDurability(facts, config.database.acceptedUnsafe),
    ...judgePooler(facts),
    judgeConnections(facts, config),
    judgeClock(facts),
  ];
}

function judgeVersion({ version, versionNumber, role, database, isReadOnly }: DatabaseFacts): Check {
  if (versionNumber < oldestVersion) return fail(`Postgres ${version} is too old`, 'use 14 or newer');
  if (isReadOnly) {
    return fail(
      `Postgres ${version} takes no writes: it is a standby, or default_transaction_read_only is on`,
      'let DATABASE_URL lead to the primary',
    );
  }
  return ok(`Postgres ${version} answers: database ${database}, role ${role}`);
}

function judgeEncryption({ isEncrypted, host }: DatabaseFacts): Check {
  if (isEncrypted) return ok('the connection is encrypted');
  if (host === null || loopbackHosts.has(host)) return ok('the connection stays on this machine');
  return warn(
    `the connection to ${host} is not encrypted`,
    'append ?sslmode=verify-full to DATABASE_URL, unless nobody else can listen',
  );
}

function judgeTables(facts: DatabaseFacts, config: Config): Check {
  const { outstanding, unknown, closedTables, mayCreate, role } = facts;
  const { migrateAtStart } = config.database;
  if (unknown.length > 0) {
    const finding = `a newer FleetLM has changed the tables (${unknown.join(', ')})`;
    return (migrateAtStart ? fail : warn)(
      finding,
      'run that one: docs/operations.md, “Upgrade and rollback”',
    );
  }
  if (closedTables.length > 0) {
    return fail(
      `${role} may not read and write ${closedTables.join(', ')}`,
      `run as the role that owns them, or grant select, insert and update to ${role}`,
    );
  }
  if (outstanding.length === 0) return ok('the tables are up to date');
  const finding = `migrations are outstanding: ${outstanding.join(', ')}`;
  if (!mayCreate) return fail(`${finding}, and ${role} may make no tables`, createRemedy(facts));
  return migrateAtStart
    ? ok(`${finding}; the next start runs them`)
    : fail(`${finding}, and FLEETLM_MIGRATE_AT_START is off`, 'run `fleetlm db migrate`');
}

function createRemedy({ role, database }: DatabaseFacts): string {
  return `as a superuser run \`alter database "${database}" owner to "${role}"\` and \`grant create on schema public to "${role}"\``;
}

function judgeDurability(
  { unsafe }: DatabaseFacts,
  accepted: Config['database']['acceptedUnsafe'],
): readonly Check[] {
  if (unsafe.length === 0) return [ok('what is acknowledged is on disk')];
  return unsafe.map((setting) => {
    const { name } = setting;
    const isAccepted = accepted.includes(name);
    const finding = `${name}=off${isAccepted ? ', accepted by name' : ''}: ${losses[name]}`;
    return isAccepted
      ? warn(finding, mend(setting))
      : fail(finding, `${mend(setting)}, or accept it by FLEETLM_ACCEPT_UNSAFE_POSTGRES=${name}`);
  });
}

function judgePooler({ pooler }: DatabaseFacts): readonly Check[] {
  if (pooler === null) return [];
  const remedy = 'let DATABASE_URL lead to Postgres itself: FleetLM pools its own connections';
  return pooler === 'mixes sessions'
    ? [fail('a pooler in front of Postgres loses settings and prepared statements', remedy)]
    : [warn('a pooler stands in front of Postgres, and may drop the settings of new connections', remedy)];
}

function judgeConnections(facts: DatabaseFacts, config: Config): Check {
  const { connectionLimit, otherConnections } = facts;
  const needed = connectionsToPostgres(config);
  const finding = `a node takes up to ${needed} connections (lanes + 2 + pool), of ${connectionLimit}`;
  const remedy =
    'raise max_connections (or the limit of the role or database), or lower FLEETLM_DB_POOL_SIZE';
  if (needed > connectionLimit) return fail(finding, remedy);
  if (needed > connectionLimit - otherConnections) {
    return warn(`${finding}, and others hold ${otherConnections}`, remedy);
  }
  return ok(finding);
}

function judgeClock({ clockAheadMs, clockErrorMs }: DatabaseFacts): Check {
  const isNear = Math.abs(clockAheadMs) - clockErrorMs <= maxClockDifferenceMs;
  const amount = `${(Math.abs(clockAheadMs) / 1_000).toFixed(1)} s`;
  if (isNear) return ok('the clocks of Postgres and this machine agree');
  return warn(
    `the clock of Postgres is ${amount} ${clockAheadMs > 0 ? 'ahead of' : 'behind'} that of this machine`,
    'set both by NTP (chrony, systemd-timesyncd): tokens end by one, messages are dated by the other',
  );
}
