import type { MessageId, MessageKind, ParticipantId, Seq, SessionId } from '@fleetlm/protocol';

/** What a message consists of; `content` and `metadata` are JSON texts. */
export interface MessageFields {
  readonly id: MessageId;
  readonly sessionId: SessionId;
  readonly seq: Seq;
  readonly senderId: ParticipantId;
  readonly kind: MessageKind;
  readonly contentJson: string;
  readonly metadataJson: string;
  readonly clientId: string | null;
  /** ISO 8601, milliseconds, Z. */
  readonly insertedAt: string;
}

/**
 * A committed message. Its wire form is made on first use and kept: the same text serves the reply, every
 * broadcast, the hot tail and history.
 */
export class StoredMessage {
  readonly fields: MessageFields;
  #json: string | undefined;

  constructor(fields: MessageFields) {
    this.fields = fields;
  }

  get seq(): Seq {
    return this.fields.seq;
  }

  get sessionId(): SessionId {
    return this.fields.sessionId;
  }

  /** The message as the wire shows it, as JSON text. */
  get json(): string {
    this.#json ??= encodeMessage(this.fields);
    return this.#json;
  }
}

/** Ids and times need no escaping: ids are parsed, times are made by the database; senders and keys are free text. */
function encodeMessage(fields: MessageFields): string {
  const clientId = fields.clientId === null ? '' : `"client_id":${JSON.stringify(fields.clientId)},`;
  return (
    `{"id":"${fields.id}","session_id":"${fields.sessionId}","seq":${fields.seq},` +
    `"sender_id":${JSON.stringify(fields.senderId)},"kind":"${fields.kind}","content":${fields.contentJson},` +
    `"metadata":${fields.metadataJson},${clientId}"inserted_at":"${fields.insertedAt}"}`
  );
}
