import type { ChatServer, DirectSession } from './chat-server.ts';
import type { Member } from './load/member.ts';

/** The initiator of each session. */
export function initiatorsOf(server: ChatServer, sessions: readonly DirectSession[]): Promise<Member[]> {
  return Promise.all(sessions.map(({ id, initiatorId }) => memberOf(server, id, initiatorId)));
}

/** Both of each session. */
export function membersOf(server: ChatServer, sessions: readonly DirectSession[]): Promise<Member[]> {
  return Promise.all(
    sessions.flatMap(({ id, initiatorId, peerId }) =>
      [initiatorId, peerId].map((participantId) => memberOf(server, id, participantId)),
    ),
  );
}

async function memberOf(server: ChatServer, sessionId: string, participantId: string): Promise<Member> {
  return { url: await server.socketUrl(participantId), topic: `session:${sessionId}` };
}
