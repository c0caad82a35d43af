import type { Endpoint } from './endpoint.ts';

/** For a message log on a machine shared with FleetLM itself: many small commits, no replica, no tuning by hand. */
const defaults = {
  // An acknowledged message must outlive a power cut; these are Postgres's defaults, said aloud.
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  // Postgres's own default: holds the hot tail of the log, and fits a small machine.
  shared_buffers: '128MB',
  // FleetLM's pools use a few dozen; the rest is for tools. An idle slot costs a few kilobytes.
  max_connections: '100',
  // Nothing replicates from an embedded server, so its log need hold only what crash recovery needs.
  wal_level: 'minimal',
  max_wal_senders: '0',
  // Each checkpoint makes the next write of every page a full one: seldom is cheaper. A gigabyte of log is
  // replayed in well under the minute that a start may take.
  max_wal_size: '1GB',
  checkpoint_timeout: '15min',
  // Else initdb's guess at the machine's zone.
  timezone: 'UTC',
} as const;

/** Arguments of the `postgres` command; `overrides` may change everything but where it listens. */
export function serverArguments(
  clusterDir: string,
  endpoint: Endpoint,
  overrides: Readonly<Record<string, string>>,
): readonly string[] {
  const settings = { ...defaults, ...overrides, ...endpoint.settings };
  return [
    '-D',
    clusterDir,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
}
