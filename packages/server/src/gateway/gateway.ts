import { AgentCalls, type AgentCallsOptions } from './agent-calls.ts';
import { InboxCalls } from './inbox-calls.ts';
import { MemberCalls } from './member-calls.ts';
import { MessageCalls, type MessageCallsOptions } from './message-calls.ts';
import { ParticipantCalls } from './participant-calls.ts';
import { ReadCalls, type ReadCallsOptions } from './read-calls.ts';
import { SessionCalls } from './session-calls.ts';
import { SessionChanges } from './session-changes.ts';
import { StreamCalls, type StreamCallsOptions } from './stream-calls.ts';

export interface GatewayOptions extends MessageCallsOptions, ReadCallsOptions, StreamCallsOptions {
  readonly maxGroupMembers: number;
  readonly maxMetadataBytes: number;
  readonly agents: Omit<AgentCallsOptions, 'db'>;
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
  readonly reads: ReadCalls;
  readonly inboxes: InboxCalls;
  readonly agents: AgentCalls;
  readonly streams: StreamCalls;

  constructor({ maxGroupMembers, maxMetadataBytes, agents, ...options }: GatewayOptions) {
    const changes = new SessionChanges(options);
    this.participants = new ParticipantCalls(options.db, options.directory, maxMetadataBytes);
    this.sessions = new SessionCalls(options.db, changes, { maxGroupMembers, maxMetadataBytes });
    this.members = new MemberCalls(options.db, changes, maxGroupMembers);
    this.messages = new MessageCalls(options);
    this.reads = new ReadCalls(options);
    this.inboxes = new InboxCalls(options);
    this.agents = new AgentCalls({ db: options.db, ...agents });
    this.streams = new StreamCalls(options);
  }
}
