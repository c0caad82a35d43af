import { join } from 'node:path';
import { type ListeningProcess, spawnListening } from '../spawn-listening.ts';

/** A peer in a process of its own. */
export type PeerServer = ListeningProcess;

export type PeerName = 'socket-io' | 'bare-ws' | 'bare-fastify';

export function startPeer(name: PeerName, env: Readonly<Record<string, string>> = {}): Promise<PeerServer> {
  return spawnListening(join(import.meta.dirname, `${name}-server.ts`), env);
}
