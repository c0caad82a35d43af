import type { InboxConversation } from '@fleetlm/protocol';
import { Client } from 'pg';

/** A membership as the tables have it, with the unread messages counted one by one. */
export interface CountedMember {
  readonly participant: string;
  readonly session: string;
  readonly cursor: number;
  readonly lastSeq: number;
  /** Whether the session belongs into the member's inbox. */
  readonly isListed: boolean;
  readonly unread: number;
}

/** A value that a reader was told while others wrote. */
export interface ToldCount {
  readonly participant: string;
  readonly session: string;
  readonly lastSeq: number | null;
  /** The cursor that the value was told with; null when it was not. */
  readonly cursor: number | null;
  readonly unread: number;
}

/** Counts unread messages from the log, knowing nothing of the arithmetic. */
const recountSql = `
select m.participant_id as participant, m.session_id as session, m.last_read_seq::int as cursor,
  s.last_seq::int as "lastSeq", m.left_at is null and s.status <> 'archived' as "isListed",
  (select count(*)::int from chat_messages c
   where c.session_id = m.session_id and c.seq > m.last_read_seq and c.sender_id <> m.participant_id) as unread
from session_members m join chat_sessions s on s.id = m.session_id
order by m.participant_id, m.session_id`;

/** The log beside the server: what everything that it says is compared with. */
export class Recount implements AsyncDisposable {
  readonly #client: Client;
  /** Senders by session, from seq 1 on. */
  readonly #log = new Map<string, string[]>();
  #before = new Map<string, CountedMember>();
  #now = new Map<string, CountedMember>();

  static async open(url: string): Promise<Recount> {
    const client = new Client({ connectionString: url });
    await client.connect();
    return new Recount(client);
  }

  private constructor(client: Client) {
    this.#client = client;
  }

  get(participant: string, session: string): CountedMember | undefined {
    return this.#now.get(`${participant} ${session}`);
  }

  /** What should be in a participant's inbox: unread counts by session id. */
  inboxOf(participant: string): Record<string, number> {
    const listed = [...this.#now.values()].filter((one) => one.participant === participant && one.isListed);
    return Object.fromEntries(listed.map(({ session, unread }) => [session, unread]));
  }

  /** Reads the log again. Throws when a cursor has gone back. */
  async take(): Promise<void> {
    const { rows } = await this.#client.query<CountedMember>(recountSql);
    this.#before = this.#now;
    this.#now = new Map(rows.map((row) => [`${row.participant} ${row.session}`, row]));
    for (const [key, { cursor }] of this.#before) {
      const now = this.#now.get(key)?.cursor ?? -1;
      if (now < cursor) throw new Error(`the cursor of ${key} went back from ${cursor} to ${now}`);
    }
    await this.#readLog();
  }

  /** Whether a value lies between those at the takes before and after it; says why not. */
  judge({ participant, session, ...told }: ToldCount): string | null {
    const key = `${participant} ${session}`;
    const now = this.#now.get(key);
    if (!now) return `${key} was told, and is no membership`;
    const before = this.#before.get(key) ?? { cursor: 0, lastSeq: 0 };
    const [leastSeq, mostSeq] =
      told.lastSeq === null ? [before.lastSeq, now.lastSeq] : [told.lastSeq, told.lastSeq];
    const [leastCursor, mostCursor] =
      told.cursor === null ? [before.cursor, now.cursor] : [told.cursor, told.cursor];
    if (leastSeq < before.lastSeq || mostSeq > now.lastSeq)
      return `${key} was told the wrong last_seq ${leastSeq}`;
    const least = this.#countForeign(participant, session, mostCursor, leastSeq);
    const most = this.#countForeign(participant, session, leastCursor, mostSeq);
    const fits = least <= told.unread && told.unread <= most;
    return fits ? null : `${key} was told ${told.unread} unread, between ${least} and ${most} it was`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client.end();
  }

  async #readLog(): Promise<void> {
    const known = [...this.#log].map(([session, senders]) => [session, senders.length] as const);
    const { rows } = await this.#client.query<{ session_id: string; sender_id: string }>(
      `select c.session_id, c.sender_id
       from chat_messages c left join unnest($1::text[], $2::bigint[]) as known (id, seq) on known.id = c.session_id
       where c.seq > coalesce(known.seq, 0) order by c.session_id, c.seq`,
      [known.map(([session]) => session), known.map(([, seq]) => seq)],
    );
    for (const { session_id, sender_id } of rows) {
      const senders = this.#log.get(session_id) ?? [];
      senders.push(sender_id);
      this.#log.set(session_id, senders);
    }
  }

  /** Messages of others in (after, upTo]. */
  #countForeign(participant: string, session: string, after: number, upTo: number): number {
    const senders = this.#log.get(session) ?? [];
    return senders.slice(after, Math.max(upTo, after)).filter((sender) => sender !== participant).length;
  }
}

/** Unread counts by session id, as an inbox shows them. */
export function unreadCounts(conversations: readonly InboxConversation[]): Record<string, number> {
  return Object.fromEntries(conversations.map((each) => [each.session_id, each.unread_count]));
}
