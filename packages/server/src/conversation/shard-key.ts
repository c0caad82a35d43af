import type { SessionId } from '@fleetlm/protocol';

const shardCount = 1024;

/** A session's shard, 0…1023: FNV-1a of its id. Stored with each message, so it must never change. */
export function shardKeyOf(sessionId: SessionId): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < sessionId.length; index++) {
    hash = Math.imul(hash ^ sessionId.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0) % shardCount;
}
