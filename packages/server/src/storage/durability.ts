import { Client, type ClientBase } from 'pg';
import { type DurabilitySetting, durabilitySettings } from '../config/accepted-settings.ts';
import type { Log } from '../lib/log.ts';
import { answerMs, StorageError } from './check-server.ts';
import { type ConnectionTarget, toClientConfig } from './connection.ts';

/** A setting that is off, where that comes from, and the role and database that it was seen with. */
export interface UnsafeSetting {
  readonly name: DurabilitySetting;
  /** `pg_settings.source`: "configuration file", "command line", "database", "user", … */
  readonly source: string;
  /** As identifiers of SQL. */
  readonly role: string;
  readonly database: string;
}

/**
 * Throws when Postgres would lose what was acknowledged, by a setting that is not accepted by name; those that are
 * accepted are warned of. The settings are those of FleetLM's own connections: a role or a database may have its own.
 */
export async function requireDurability(
  target: ConnectionTarget,
  accepted: readonly DurabilitySetting[],
  log: Log,
): Promise<void> {
  const unsafe = await readUnsafeSettings(target);
  const refused = unsafe.filter(({ name }) => !accepted.includes(name));
  if (refused.length > 0) throw new StorageError(refuse(refused));
  for (const { name } of unsafe) {
    log.warn({ setting: name }, `Postgres has ${name}=off, accepted by name: ${losses[name]}`);
  }
}

/** The settings of durability that are off for this client's connections. */
export async function findUnsafeSettings(client: ClientBase): Promise<UnsafeSetting[]> {
  const { rows } = await client.query<UnsafeSetting>(
    `select name, source, quote_ident(current_user) as role, quote_ident(current_database()) as database
     from pg_settings where name = any($1) and setting = 'off' order by name`,
    [durabilitySettings],
  );
  return rows;
}

/** What a crash can take while the setting is off. */
export const losses: Readonly<Record<DurabilitySetting, string>> = {
  fsync: 'a crash of the machine can destroy the database, acknowledged messages and all',
  full_page_writes: 'a crash of the machine can leave torn pages, which destroy acknowledged messages',
  synchronous_commit: 'a crash of Postgres can take the last of what was acknowledged',
};

/** How the setting is switched on again, where it was switched off. */
export function mend({ name, source, role, database }: UnsafeSetting): string {
  switch (source) {
    case 'command line':
      return `start Postgres without \`-c ${name}=off\``;
    case 'user':
      return `run \`alter role ${role} reset ${name}\``;
    case 'database':
      return `run \`alter database ${database} reset ${name}\``;
    case 'database user':
      return `run \`alter role ${role} in database ${database} reset ${name}\``;
    case 'client':
      return `take ${name} out of DATABASE_URL`;
    default:
      return `run \`alter system set ${name} = on\` and \`select pg_reload_conf()\``;
  }
}

function refuse(unsafe: readonly UnsafeSetting[]): string {
  const lines = unsafe.map((setting) => `  - ${setting.name}=off: ${losses[setting.name]}; ${mend(setting)}`);
  const names = unsafe.map(({ name }) => name).join(',');
  return (
    `Postgres would lose what FleetLM acknowledges:\n${lines.join('\n')}\n` +
    `Where that does not matter, accept it by FLEETLM_ACCEPT_UNSAFE_POSTGRES=${names}`
  );
}

async function readUnsafeSettings(target: ConnectionTarget): Promise<UnsafeSetting[]> {
  const client = new Client({ ...toClientConfig(target, 'fleetlm-start'), query_timeout: answerMs });
  // The loss of the connection fails the query as well.
  client.on('error', () => {});
  try {
    await client.connect();
    return await findUnsafeSettings(client);
  } finally {
    await client.end().catch(() => {});
  }
}
