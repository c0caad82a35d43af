import { join } from 'node:path';
import { SpawnedProcess, untilListening } from '@fleetlm/testkit';

/** A peer in a process of its own: a program of this directory. */
export interface PeerServer extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
}

export async function startPeer(
  program: 'socket-io-server' | 'bare-ws-server' | 'bare-fastify-server',
  env: Readonly<Record<string, string>> = {},
): Promise<PeerServer> {
  const path = join(import.meta.dirname, `${program}.ts`);
  const child = new SpawnedProcess(process.execPath, ['--conditions=fleetlm-source', path], { env });
  try {
    const url = await untilListening(child);
    return { url, pid: child.pid, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}
