import { spawnServer } from '@fleetlm/testkit';
import { type ChatServer, chatServer } from './chat-server.ts';
import type { BenchDatabase } from './postgres.ts';

/** A FleetLM of our own. */
export interface OwnServer extends ChatServer, AsyncDisposable {
  /** A counter or gauge, with its labels, as `/metrics` shows it now. */
  metric(name: string): Promise<number>;
}

/**
 * What the bench sets, and says so: rates are about single callers, and a load is one. All else is as it
 * comes.
 */
export const benchEnvironment = {
  FLEETLM_RATE_MESSAGES: '0',
  FLEETLM_RATE_FRAMES: '0',
  FLEETLM_RATE_HANDSHAKES: '0',
};

/** Starts it in its process. */
export async function startOwnServer(
  { url: databaseUrl }: BenchDatabase,
  env: Readonly<Record<string, string>> = {},
): Promise<OwnServer> {
  const spawned = await spawnServer({
    env: {
      DATABASE_URL: databaseUrl,
      // No exception: this Postgres keeps what it acknowledges.
      FLEETLM_ACCEPT_UNSAFE_POSTGRES: '',
      ...benchEnvironment,
      ...env,
    },
  });
  return ownServer({ url: spawned.url, pid: spawned.process.pid }, spawned);
}

/** One that has been started, and ends with `owner`. */
export function ownServer({ url, pid }: Pick<ChatServer, 'url' | 'pid'>, owner: AsyncDisposable): OwnServer {
  return {
    ...chatServer({ url, pid, secret: null, hasParticipants: false }),
    async metric(name) {
      const text = await (await fetch(new URL('/metrics', url))).text();
      const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
      if (line === undefined) throw new Error(`the server has no metric ${name}`);
      return Number(line.slice(name.length));
    },
    [Symbol.asyncDispose]: () => owner[Symbol.asyncDispose](),
  };
}
