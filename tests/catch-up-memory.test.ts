import { readFile } from 'node:fs/promises';
import {
  addGroup,
  addParticipants,
  SessionClient,
  type SpawnedServer,
  spawnServer,
  testDatabase,
  waitUntil,
} from '@fleetlm/testkit';
import { expect, test } from 'vitest';

/**
 * What catching up costs the server, measured from outside: 200 join a session with a log of 12 MiB while 20 write;
 * half of them do not read. Without bounds those would cost more than a GiB. It prints the server's memory (Linux):
 *
 * FLEETLM_CATCH_UP=200 npx vitest run catch-up-memory
 */
const joinerCount = Number(process.env['FLEETLM_CATCH_UP'] ?? 0);
const logged = { count: 400, bytes: 30_000 };
const alice = 'user:alice';
const bob = 'user:bob';

test.runIf(joinerCount > 0)(
  'readers that stop cost the server little memory',
  { timeout: 180_000 },
  async () => {
    await using resources = new AsyncDisposableStack();
    const database = resources.use(await testDatabase());
    const server = resources.use(await spawnServer({ env: { DATABASE_URL: database.url } }));
    await addParticipants(server, alice, bob);
    const sessionId = await addGroup(server, alice, bob);
    await fill(server, sessionId);
    const before = await memoryOf(server);

    const writers = Array.from({ length: 20 }, async () => {
      for (let n = 0; n < 20; n += 1) await say(server, sessionId, 'short');
    });
    const readers: { client: SessionClient; cursor: number }[] = [];
    for (let index = 0; index < joinerCount; index += 1) {
      const client = resources.use(await SessionClient.open(server.socketUrl(bob), sessionId));
      const doesRead = index % 2 === 0;
      const cursor = doesRead ? logged.count - Math.floor(Math.random() * 60) : 0;
      const joining = client.join({ last_seq: cursor, limit: 1 });
      if (doesRead) readers.push({ client, cursor });
      else void joining.then(() => client.socket.pause());
      await joining;
    }
    await Promise.all(writers);
    const lastSeq = logged.count + 20 * 20;
    for (const { client, cursor } of readers) {
      await waitUntil(() => client.seqs.length >= lastSeq - cursor, { timeoutMs: 60_000 });
      expect(client.seqs).toEqual(Array.from({ length: lastSeq - cursor }, (_, index) => cursor + 1 + index));
    }
    const after = await memoryOf(server);
    process.stdout.write(
      `${joinerCount} joiners, half of them stuck: RSS ${before.rss} MiB before, ${after.rss} MiB after, ${after.peak} MiB at most\n`,
    );
  },
);

async function fill(server: SpawnedServer, sessionId: string): Promise<void> {
  const text = 'x'.repeat(logged.bytes);
  for (let n = 0; n < logged.count; n += 20)
    await Promise.all(Array.from({ length: 20 }, () => say(server, sessionId, text)));
}

async function say({ api }: SpawnedServer, sessionId: string, text: string): Promise<void> {
  const answer = await api('POST', `/api/sessions/${sessionId}/messages`, {
    as: alice,
    body: { content: { text } },
  });
  expect(answer.status).toBe(200);
}

/** Resident memory now and at its peak, in MiB. */
async function memoryOf({ process: { pid } }: SpawnedServer): Promise<{ rss: number; peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const mib = (name: string) => Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
  return { rss: mib('VmRSS'), peak: mib('VmHWM') };
}
