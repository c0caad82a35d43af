import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { parseConfig, Server } from 'fleetlm';
import type { Settings } from './target.ts';

export interface OwnServer extends AsyncDisposable {
  readonly url: string;
  readonly settings: Partial<Settings>;
}

/** Short, so that silence is seen at once; long beside what one case does. */
const idleMs = 3_000;
const maxTopics = 20;

/** What goes wrong there is the reason of a case that fails. */
const log = {
  debug() {},
  info() {},
  warn() {},
  error: (fields: { readonly err?: unknown }, message: string) =>
    void process.stderr.write(`${message}: ${inspect(fields)}\n`),
};

/** A server that checks tokens of this secret, or none, with a database that ends with it. */
export async function startOwnServer(secret: string | null): Promise<OwnServer> {
  await using resources = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), 'fleetlm-conformance-'));
  resources.defer(() => rm(dataDir, { recursive: true, force: true }));
  const config = parseConfig({
    PORT: '0',
    FLEETLM_DATA_DIR: dataDir,
    // The suite runs in the same process: its work must not be taken for overload of the server.
    FLEETLM_LOAD_LAG_MS: '60000',
    FLEETLM_SOCKET_IDLE_MS: String(idleMs),
    // The suite's agents are on this machine.
    FLEETLM_AGENT_ALLOW_LOOPBACK: '1',
    FLEETLM_SOCKET_TOPICS: String(maxTopics),
    ...(secret !== null && { FLEETLM_JWT_SECRET: secret }),
  });
  const server = resources.use(new Server(config, { log }));
  await server.start();
  const owned = resources.move();
  return {
    url: server.url,
    settings: { idleMs, maxTopics, isSlow: true },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
