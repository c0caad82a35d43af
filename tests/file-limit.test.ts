import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import {
  acceptTestPostgres,
  repositoryRoot,
  SpawnedProcess,
  testDatabase,
  untilListening,
  waitUntil,
} from '@fleetlm/testkit';
import { expect, test } from 'vitest';

const bin = join(repositoryRoot, 'packages/server/bin/fleetlm.js');

test.skipIf(process.platform === 'win32')(
  'a node whose files are used up turns connections away, and serves again when some are free',
  async () => {
    await using database = await testDatabase();
    const env = { PORT: '0', DATABASE_URL: database.url, ...acceptTestPostgres };
    const limited = [
      '-c',
      'ulimit -n 64; exec "$0" --conditions=fleetlm-source "$@"',
      process.execPath,
      bin,
      'start',
    ];
    await using child = new SpawnedProcess('sh', limited, { env });
    const url = await untilListening(child);
    const sockets = await Promise.all(Array.from({ length: 100 }, () => openSocket(new URL(url))));
    // Those that found no file left are hung up on.
    await waitUntil(() => sockets.some((socket) => socket.closed), {
      what: 'a connection that is turned away',
    });
    // A few samples of its load, one of which looks into a file.
    for (let count = 0; count < 10; count++) await expect(fetch(`${url}/health/live`)).rejects.toThrow();
    for (const socket of sockets) socket.destroy();
    const isReady = () =>
      fetch(`${url}/health/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    await waitUntil(isReady, { what: `readiness; ${child.output}` });
    expect(child.hasExited).toBe(false);
  },
);

async function openSocket({ hostname, port }: URL): Promise<Socket> {
  const socket = connect(Number(port), hostname)
    .on('error', () => {})
    .resume();
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
  return socket;
}
