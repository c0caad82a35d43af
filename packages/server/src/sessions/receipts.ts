import type { ParticipantId } from '@fleetlm/protocol';

/** How far a reader has come, as the `read` event tells it. */
export interface Receipt {
  readonly participantId: ParticipantId;
  readonly lastReadSeq: number;
  readonly lastReadAt: string | null;
  /** In a large session nobody but the reader's own devices is told: otherwise M readers cost M² events. */
  readonly audience: 'everybody' | 'reader';
}

/** Receipts that wait for the next flush: of each reader the newest. A plain data structure. */
export class Receipts {
  readonly #waiting = new Map<ParticipantId, Receipt>();

  add(receipt: Receipt): void {
    const earlier = this.#waiting.get(receipt.participantId);
    if (!earlier || earlier.lastReadSeq <= receipt.lastReadSeq)
      this.#waiting.set(receipt.participantId, receipt);
  }

  take(): Receipt[] {
    const receipts = [...this.#waiting.values()];
    this.#waiting.clear();
    return receipts;
  }
}

/** The payload of a `read` event. */
export function encodeReceipt({ participantId, lastReadSeq, lastReadAt }: Receipt): string {
  return JSON.stringify({
    participant_id: participantId,
    last_read_seq: lastReadSeq,
    last_read_at: lastReadAt,
  });
}
