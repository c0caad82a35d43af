import { type ClientConfig, types as pgTypes } from 'pg';

/** Where a Postgres is: the embedded one, or that of `DATABASE_URL`. */
export type ConnectionTarget = Pick<
  ClientConfig,
  'connectionString' | 'host' | 'port' | 'user' | 'password' | 'database'
>;

/** A new connection is given up after this: a listening Postgres answers within milliseconds, a lost host never. */
const connectTimeoutMs = 5_000;

/** `pg`'s settings for a connection of ours. */
export function toClientConfig(
  target: ConnectionTarget,
  applicationName: string,
  settings: Readonly<Record<string, string>> = {},
): ClientConfig {
  return {
    // What `toIsoTime` reads, whatever the database's defaults are.
    ...withSettings(target, { timezone: 'UTC', datestyle: 'ISO', ...settings }),
    application_name: applicationName,
    connectionTimeoutMillis: connectTimeoutMs,
    // A peer that is gone is noticed in the end even on a connection that only waits.
    keepAlive: true,
    types: columnTypes,
  };
}

/** `pg` prefers a URL's options to all others: then ours stand there too, behind them, and hold. */
function withSettings(target: ConnectionTarget, settings: Readonly<Record<string, string>>): ClientConfig {
  const ours = Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(' ');
  const url = target.connectionString ?? '';
  const theirs = new URLSearchParams(url.split('?')[1]).get('options');
  if (theirs === null) return { ...target, options: ours };
  return { ...target, connectionString: `${url}&options=${encodeURIComponent(`${theirs} ${ours}`)}` };
}

/** Seqs and counts stay far below 2^53; times go to the wire as texts, so a `Date` would only cost. */
const columnTypes = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === pgTypes.builtins.INT8) return Number;
    if (oid === pgTypes.builtins.TIMESTAMPTZ) return toIsoTime;
    return pgTypes.getTypeParser(oid, format as 'text');
  },
};

/** As `columnTypes`, but JSON columns stay texts: for rows that go to the wire as they are. */
export const rawJsonTypes = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    return oid === pgTypes.builtins.JSON ? asIs : columnTypes.getTypeParser(oid, format);
  },
};

function asIs(text: string): string {
  return text;
}

/** `2026-01-02 03:04:05.6+00`, which Postgres writes, as `2026-01-02T03:04:05.600Z`. */
export function toIsoTime(text: string): string {
  const withoutZone = text.slice(0, text.lastIndexOf('+'));
  const [seconds = '', fraction = ''] = withoutZone.split('.');
  return `${seconds.replace(' ', 'T')}.${fraction.padEnd(3, '0')}Z`;
}
