import { MemberCalls } from './member-calls.ts';
import { MessageCalls, type MessageCallsOptions } from './message-calls.ts';
import { ParticipantCalls } from './participant-calls.ts';
import { SessionCalls } from './session-calls.ts';

export interface GatewayOptions extends MessageCallsOptions {
  readonly maxGroupMembers: number;
  readonly maxMetadataBytes: number;
}

/**
 * The one door from the edges to the runtime. It is stateless: every call names who acts, is checked against
 * what that principal may do, and answers with a `Result`. Where a session is served by another node, this is
 * the place that will ask it.
 */
export class Gateway {
  readonly participants: ParticipantCalls;
  readonly sessions: SessionCalls;
  readonly members: MemberCalls;
  readonly messages: MessageCalls;

  constructor({ maxGroupMembers, maxMetadataBytes, ...options }: GatewayOptions) {
    this.participants = new ParticipantCalls(options.db, options.directory, maxMetadataBytes);
    this.sessions = new SessionCalls(options.db, { maxGroupMembers, maxMetadataBytes });
    this.members = new MemberCalls(options.db, maxGroupMembers);
    this.messages = new MessageCalls(options);
  }
}
