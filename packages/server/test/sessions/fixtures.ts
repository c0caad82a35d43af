import type { MessageId, ParticipantId, Seq, SessionId } from '@fleetlm/protocol';
import { StoredMessage } from '../../src/conversation/stored-message.ts';
import type { Broadcast } from '../../src/pubsub/broadcast.ts';
import type { FeedReader } from '../../src/sessions/session-feed.ts';

export const sessionId = '01ARZ3NDEKTSV4RRFFQ69G5FAV' as SessionId;

/** A message as if it had been stored; its text makes it at least `size` long. */
export function storedMessage(seq: number, size = 0): StoredMessage {
  return new StoredMessage({
    id: '01ARZ3NDEKTSV4RRFFQ69G5FAW' as MessageId,
    sessionId,
    seq: seq as Seq,
    senderId: 'user:alice' as ParticipantId,
    kind: 'text',
    contentJson: JSON.stringify({ text: 'x'.repeat(size) }),
    metadataJson: '{}',
    clientId: null,
    insertedAt: '2026-01-02T03:04:05.678Z',
  });
}

export function storedMessages(first: number, last: number): StoredMessage[] {
  return Array.from({ length: Math.max(last - first + 1, 0) }, (_, index) => storedMessage(first + index));
}

export function seqsOf(messages: readonly { readonly seq: number }[] | null): number[] | null {
  return messages?.map(({ seq }) => seq) ?? null;
}

export function range(first: number, last: number): number[] {
  return Array.from({ length: Math.max(last - first + 1, 0) }, (_, index) => first + index);
}

/** Takes everything at once, and remembers it. */
export class RecordingReader implements FeedReader {
  /** Every seq that it was shown, as it came; 0 for events without a place in the log. */
  readonly seqs: number[] = [];
  readonly failures: unknown[] = [];

  push(message: StoredMessage): void {
    this.seqs.push(message.seq);
  }

  deliver(broadcast: Broadcast): void {
    this.seqs.push(broadcast.seq);
  }

  async drained(): Promise<void> {}

  failed(error: unknown): void {
    this.failures.push(error);
  }

  revoked(): void {
    this.failures.push('revoked');
  }
}
