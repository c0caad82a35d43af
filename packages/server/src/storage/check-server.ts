import { setTimeout as sleep } from 'node:timers/promises';
import { Client, DatabaseError } from 'pg';
import type { Log } from '../lib/log.ts';
import { type ConnectionTarget, toClientConfig } from './connection.ts';

/** The Postgres of `DATABASE_URL` cannot be used; the message says why and what to do. */
export class StorageError extends Error {
  override readonly name = 'StorageError';
}

export interface WaitOptions {
  /** How long a Postgres that does not answer is waited for. */
  readonly waitMs: number;
  /** Aborted: waits no longer, and throws the reason. */
  readonly signal?: AbortSignal | undefined;
}

const retryMs = 500;
/** A Postgres that has let us in and says nothing for so long is stuck: it is waited for like one that is not there. */
export const answerMs = 5_000;
export const oldestVersion = 140_000;

/** Waits for Postgres to answer, and checks that it is one that FleetLM works with. */
export async function checkServer(
  target: ConnectionTarget,
  log: Log,
  { waitMs, signal }: WaitOptions,
): Promise<void> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    try {
      await checkVersion(target);
      return;
    } catch (error) {
      if (error instanceof StorageError) throw error;
      const { what, remedy, isLasting } = explainFailure(error);
      if (isLasting) throw new StorageError(`${what}: ${remedy}`, { cause: error });
      if (performance.now() > deadline) {
        throw new StorageError(
          `${what}: ${remedy}; without DATABASE_URL FleetLM runs a Postgres of its own`,
          { cause: error },
        );
      }
      log.warn({ err: error }, 'Postgres does not answer yet, trying again');
      await sleep(retryMs, undefined, signal && { signal });
    }
  }
}

async function checkVersion(target: ConnectionTarget): Promise<void> {
  const client = new Client({ ...toClientConfig(target, 'fleetlm-start'), query_timeout: answerMs });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ server_version_num: string; server_version: string }>(
      "select current_setting('server_version_num') as server_version_num, current_setting('server_version') as server_version",
    );
    const { server_version_num: number, server_version: version } = rows[0]!;
    if (Number(number) < oldestVersion) {
      throw new StorageError(`Postgres ${version} is too old: FleetLM needs 14 or newer`);
    }
  } finally {
    await client.end().catch(() => {});
  }
}

/** Why Postgres cannot be used, and what to do. */
interface Failure {
  readonly what: string;
  readonly remedy: string;
  /** Waiting does not mend it. */
  readonly isLasting: boolean;
}

/** Explains what connecting to Postgres, or the first query, was answered with. */
export function explainFailure(error: unknown): Failure {
  const lasting = (what: string, remedy: string) => ({ what, remedy, isLasting: true });
  const message = messageOf(error);
  switch (error instanceof DatabaseError ? error.code : undefined) {
    case '3D000':
      return lasting(message, 'create it with `fleetlm db create`');
    case '28P01':
    case '28000':
      return lasting(
        `Postgres refuses the user of DATABASE_URL (${message})`,
        'correct its name or its password',
      );
    case '08P01':
      return lasting(
        `a connection pooler refuses FleetLM's settings (${message})`,
        'let DATABASE_URL lead to Postgres itself',
      );
    default:
      return {
        what: `Postgres at DATABASE_URL does not answer (${message})`,
        remedy: 'start it, or correct DATABASE_URL',
        isLasting: false,
      };
  }
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
