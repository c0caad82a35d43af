import type { Session, SessionId } from '@fleetlm/protocol';
import type { Principal } from '../auth/principal.ts';
import { ok, type Result } from '../lib/result.ts';
import type { FeedReader, SessionFeed } from '../sessions/session-feed.ts';
import type { SessionServer } from '../sessions/session-server.ts';
import type { SessionSupervisor } from '../sessions/session-supervisor.ts';
import type { Db } from '../storage/database.ts';
import { seeSession } from './access.ts';

/** A session with a feed on it, which is not started yet. Whoever has it ends the feed. */
export interface FollowedSession {
  readonly session: Session;
  readonly server: SessionServer;
  readonly feed: SessionFeed;
}

/** Puts a feed on a session, if the principal may see it: from then on it hears of its removal. */
export async function followSession(
  { db, sessions }: { readonly db: Db; readonly sessions: SessionSupervisor },
  principal: Principal,
  sessionId: SessionId | null,
  reader: FeedReader,
): Promise<Result<FollowedSession>> {
  const { changes } = sessions;
  const seen = await seeSession(db, principal, sessionId);
  if (!seen.ok) return seen;
  const server = await sessions.use(seen.value.id);
  const feed = server.attach(reader, principal.kind === 'participant' ? principal.participantId : null);
  try {
    // What changed between reading the session and attaching the feed reached nobody here: it is read again.
    const still = changes === sessions.changes ? seen : await seeSession(db, principal, sessionId);
    if (still.ok) return ok({ session: still.value, server, feed });
    feed.end();
    return still;
  } catch (error) {
    feed.end();
    throw error;
  }
}
