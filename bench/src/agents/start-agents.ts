import { join } from 'node:path';
import { type ListeningProcess, spawnListening } from '../spawn-listening.ts';

/** Agents in a process of their own: an address that streams whatever a message orders. */
export function startAgents(): Promise<ListeningProcess> {
  return spawnListening(join(import.meta.dirname, 'streaming-agents-server.ts'));
}
