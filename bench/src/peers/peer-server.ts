import { join } from 'node:path';
import { nodeFlags, SpawnedProcess, untilListening } from '@fleetlm/testkit';

/** A peer in a process of its own. */
export interface PeerServer extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
}

export type PeerName = 'socket-io' | 'bare-ws' | 'bare-fastify';

/** With the flags that our own server has: neither side is given less. */
export async function startPeer(
  name: PeerName,
  env: Readonly<Record<string, string>> = {},
): Promise<PeerServer> {
  const path = join(import.meta.dirname, `${name}-server.ts`);
  const child = new SpawnedProcess(process.execPath, [...nodeFlags, path], { env });
  try {
    const url = await untilListening(child);
    return { url, pid: child.pid, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}
