import type { Seq } from '@fleetlm/protocol';
import { StoredMessage } from '../stored-message.ts';
import type { Verdict } from './append-statements.ts';
import type { IdentifiedDraft, Outcome } from './draft.ts';

/** What the statement's verdict means for the draft's sender. */
export function toOutcome(draft: IdentifiedDraft, verdict: Verdict): Outcome {
  switch (verdict.outcome) {
    case 'stored':
    // A resubmission found what its first attempt did: for everybody else it happens now.
    case 'already_stored':
      return { kind: 'stored', message: toMessage(draft, verdict) };
    case 'duplicate':
      return { kind: 'duplicate', message: toMessage(draft, verdict), lastSeq: verdict.lastSeq };
    default:
      return { kind: verdict.outcome };
  }
}

/** The stored message. A duplicate's content equals the draft's, so that the draft's text can stand for it. */
function toMessage(draft: IdentifiedDraft, { id, seq, insertedAt }: Verdict): StoredMessage {
  const { sessionId, senderId, kind, contentJson, metadataJson, clientId } = draft;
  const fields = {
    id,
    sessionId,
    seq: seq as Seq,
    senderId,
    kind,
    contentJson,
    metadataJson,
    clientId,
    insertedAt,
  };
  return new StoredMessage(fields);
}
