import type { SessionId } from '@fleetlm/protocol';
import type { StoredMessage } from '../stored-message.ts';
import type { Woke } from './append-statements.ts';

/** What one commit brought, for those who listen. */
export class CommittedBatch {
  /** Of each session in seq order. */
  readonly messages: StoredMessage[] = [];
  /** Sessions in which messages of the batch made or extended turns. */
  readonly wokenSessions = new Set<SessionId>();
  /** Messages that would have made turns, but for the hop limit. */
  readonly hopLimited: StoredMessage[] = [];

  add(message: StoredMessage, woke: Woke): void {
    this.messages.push(message);
    if (woke === 'turn') this.wokenSessions.add(message.fields.sessionId);
    else if (woke === 'hop_limit') this.hopLimited.push(message);
  }
}
