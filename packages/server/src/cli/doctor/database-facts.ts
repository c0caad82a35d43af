import { Client } from 'pg';
import { type ConnectionTarget, toClientConfig } from '../../storage/connection.ts';
import { findUnsafeSettings, type UnsafeSetting } from '../../storage/durability.ts';
import { inspectMigrations, type MigrationState } from '../../storage/migrations.ts';
import { findPooler, type Pooler } from './pooler.ts';

/** What one look at a Postgres has shown. */
export interface DatabaseFacts extends MigrationState, ServerFacts {
  readonly unsafe: readonly UnsafeSetting[];
  /** Tables of ours that the role may not use. */
  readonly closedTables: readonly string[];
  readonly pooler: Pooler | null;
  /** How far Postgres' clock is ahead of ours; the truth is at most `clockErrorMs` away. */
  readonly clockAheadMs: number;
  readonly clockErrorMs: number;
  /** Where it was found; null: by a socket of this machine. */
  readonly host: string | null;
}

interface ServerFacts {
  readonly version: string;
  readonly versionNumber: number;
  readonly database: string;
  readonly role: string;
  readonly isReadOnly: boolean;
  readonly isEncrypted: boolean;
  /** Whether the role may make tables where ours are, or will be. */
  readonly mayCreate: boolean;
  /** Connections that this role may have, by the tightest of the limits. */
  readonly connectionLimit: number;
  /** Those that others have now. */
  readonly otherConnections: number;
  readonly backendPid: number;
}

/** Postgres answers within milliseconds, or something is wrong. */
const connectTimeoutMs = 3_000;
const queryTimeoutMs = 2_000;

/** The caller ends it. */
async function connectDoctor(target: ConnectionTarget): Promise<Client> {
  const client = new Client({
    ...toClientConfig(target, 'fleetlm-doctor'),
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: queryTimeoutMs,
  });
  // The loss of the connection fails the query as well.
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** Looks at a Postgres by a handful of queries. Rejects with what Postgres, or the way to it, says. */
export async function readDatabaseFacts(target: ConnectionTarget): Promise<DatabaseFacts> {
  const client = await connectDoctor(target);
  try {
    const { rows } = await client.query<ServerFacts>(serverSql);
    const server = rows[0]!;
    return {
      ...server,
      ...(await inspectMigrations((text) => client.query(text))),
      ...(await compareClocks(client)),
      unsafe: await findUnsafeSettings(client),
      closedTables: await findClosedTables(client),
      pooler: await findPooler(client, server.backendPid, () => connectDoctor(target)),
      host: client.host.startsWith('/') ? null : client.host,
    };
  } finally {
    await client.end().catch(() => {});
  }
}

const serverSql = `
  select current_setting('server_version') as "version",
    current_setting('server_version_num')::int as "versionNumber",
    current_database() as "database",
    current_user as "role",
    pg_is_in_recovery() or current_setting('transaction_read_only') = 'on' as "isReadOnly",
    coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false) as "isEncrypted",
    coalesce(has_schema_privilege(current_schema(), 'create'), false) as "mayCreate",
    least(
      current_setting('max_connections')::int - case when rolsuper then 0 else
        current_setting('superuser_reserved_connections')::int
        + coalesce(current_setting('reserved_connections', true)::int, 0) end,
      case when rolsuper or rolconnlimit < 0 then null else rolconnlimit end,
      case when rolsuper or datconnlimit < 0 then null else datconnlimit end
    ) as "connectionLimit",
    (select count(*)::int from pg_stat_activity
      where backend_type = 'client backend' and coalesce(application_name, '') not like 'fleetlm%'
    ) as "otherConnections",
    pg_backend_pid() as "backendPid"
  from pg_roles, pg_database
  where rolname = current_user and datname = current_database()`;

/** Those of Kysely tell which migrations have run. */
const ours = ['participants', 'chat_sessions', 'session_members', 'chat_messages', 'kysely_migration'];

async function findClosedTables(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select relname as name from pg_class
     where relnamespace = current_schema()::regnamespace and relname = any($1) and not (
       has_table_privilege(oid, 'select') and has_table_privilege(oid, 'insert') and has_table_privilege(oid, 'update'))
     order by relname`,
    [ours],
  );
  return rows.map(({ name }) => name);
}

/** Postgres said its time at some moment between question and answer. */
async function compareClocks(client: Client) {
  const askedMs = Date.now();
  const { rows } = await client.query<{ nowMs: number }>(
    `select (extract(epoch from clock_timestamp()) * 1000)::float8 as "nowMs"`,
  );
  const answeredMs = Date.now();
  return {
    clockAheadMs: Math.round(rows[0]!.nowMs - (askedMs + answeredMs) / 2),
    clockErrorMs: Math.ceil((answeredMs - askedMs) / 2),
  };
}
