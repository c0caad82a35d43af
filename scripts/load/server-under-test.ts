import { readFile } from 'node:fs/promises';
import {
  addParticipants,
  type SpawnedServer,
  signToken,
  spawnServer,
  temporaryDataDir,
  testSecret,
} from '@fleetlm/testkit';

/** A server in a process of its own, on its own Postgres with fsync, as somebody would run it; with tokens. */
export interface ServerUnderTest extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** A call as the application's backend; throws unless it succeeds. */
  call(method: string, path: string, body?: object): Promise<Record<string, never>>;
  /** Where a participant's socket connects to. */
  socketUrl(participantId: string): Promise<string>;
  /** A new direct session. */
  addSession(initiatorId: string, peerId: string): Promise<string>;
  residentMiB(): Promise<number>;
}

export async function startServer(env: Readonly<Record<string, string>> = {}): Promise<ServerUnderTest> {
  const resources = new AsyncDisposableStack();
  const dataDir = resources.use(await temporaryDataDir());
  const server: SpawnedServer = resources.use(
    await spawnServer({
      env: { FLEETLM_DATA_DIR: dataDir.path, FLEETLM_JWT_SECRET: testSecret, ...env },
    }),
  );
  const token = await signToken({ sub: 'service:load', role: 'service' });
  const api: SpawnedServer['api'] = (method, path, options) =>
    server.api(method, path, { ...options, token });
  const call = async (method: string, path: string, body?: object) => {
    const answer = await api(method, path, { body });
    if (answer.status >= 300)
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  return {
    url: server.url,
    pid: server.process.pid,
    call,
    socketUrl: async (participantId) =>
      `${server.socketUrl()}?token=${await signToken({ sub: participantId })}`,
    async addSession(initiatorId, peerId) {
      await addParticipants({ api }, initiatorId, peerId);
      const { session } = await call('POST', '/api/sessions', { initiator_id: initiatorId, peer_id: peerId });
      return (session as { id: string }).id;
    },
    residentMiB: async () => readResidentMiB(server.process.pid),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

async function readResidentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
}
