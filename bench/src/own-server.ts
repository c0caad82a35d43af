import { type SpawnedServer, spawnServer } from '@fleetlm/testkit';
import { type ChatServer, chatServer } from './chat-server.ts';
import type { BenchDatabase } from './postgres.ts';

/** A FleetLM of our own, in its process. */
export interface OwnServer extends ChatServer, AsyncDisposable {
  readonly pid: number;
  /** A counter or gauge without labels, as `/metrics` shows it now. */
  metric(name: string): Promise<number>;
}

/** What the bench sets, and says so: rates are about single callers, and a load is one. All else is as it comes. */
export const benchEnvironment = {
  FLEETLM_RATE_MESSAGES: '0',
  FLEETLM_RATE_FRAMES: '0',
  FLEETLM_RATE_HANDSHAKES: '0',
};

export async function startOwnServer(
  database: BenchDatabase,
  env: Readonly<Record<string, string>> = {},
): Promise<OwnServer> {
  const spawned: SpawnedServer = await spawnServer({
    env: {
      DATABASE_URL: database.url,
      // No exception: this Postgres keeps what it acknowledges.
      FLEETLM_ACCEPT_UNSAFE_POSTGRES: '',
      ...benchEnvironment,
      ...env,
    },
  });
  const { url } = spawned;
  const { pid } = spawned.process;
  return {
    ...chatServer({ url, pid, secret: null, hasParticipants: false }),
    pid,
    async metric(name) {
      const text = await (await fetch(new URL('/metrics', url))).text();
      const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
      if (line === undefined) throw new Error(`the server has no metric ${name}`);
      return Number(line.slice(name.length));
    },
    [Symbol.asyncDispose]: () => spawned[Symbol.asyncDispose](),
  };
}
