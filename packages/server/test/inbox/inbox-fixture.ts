import type { InboxConversation } from '@fleetlm/protocol';
import {
  type InboxClient,
  startTestServer,
  type TestServer,
  type TestServerOptions,
  waitUntil,
} from '@fleetlm/testkit';
import { expect } from 'vitest';

/** A server whose queries are counted by the names of their statements, and can be made to fail. */
export interface WatchedServer {
  readonly server: TestServer;
  /** Names of the hand-written statements that ran, in order. */
  readonly statements: string[];
  /** Statements of these names fail as long as they stand here. */
  readonly broken: Set<string>;
  /** Results of statements of these names are held back until the promise resolves. */
  readonly held: Map<string, Promise<void>>;
}

export async function startWatchedServer(options: TestServerOptions = {}): Promise<WatchedServer> {
  const statements: string[] = [];
  const broken = new Set<string>();
  const held = new Map<string, Promise<void>>();
  const server = await startTestServer({
    ...options,
    overrides: {
      wrapDb: (db) => ({
        ...db,
        query: async (statement, values) => {
          statements.push(statement.name);
          if (broken.has(statement.name)) throw new Error(`${statement.name} is broken by the test`);
          const rows = await db.query(statement, values);
          await held.get(statement.name);
          return rows as never;
        },
      }),
    },
  });
  return { server, statements, broken, held };
}

/** What REST shows of an inbox: all pages, by session id. */
export async function readInbox({ api }: TestServer, participantId: string): Promise<InboxConversation[]> {
  const conversations: InboxConversation[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const from: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const { status, body } = await api('GET', `/api/participants/${participantId}/inbox?limit=200${from}`);
    expect(status).toBe(200);
    conversations.push(...body.conversations);
    cursor = body.next_cursor;
  }
  return conversations.sort((one, other) => (one.session_id < other.session_id ? -1 : 1));
}

/** Waits until the view equals what REST shows, all fields of it. */
export async function expectSame(
  inbox: InboxClient,
  server: TestServer,
  participantId: string,
): Promise<void> {
  const expected = await readInbox(server, participantId);
  const isEqual = () => JSON.stringify(inbox.conversations) === JSON.stringify(expected);
  await waitUntil(isEqual).catch(() => expect(inbox.conversations).toEqual(expected));
  expect(inbox.gaps).toEqual([]);
}

/** Runs `work` for each item, `width` at a time. */
export async function forEach<Item>(
  items: readonly Item[],
  width: number,
  work: (item: Item, index: number) => Promise<unknown>,
): Promise<void> {
  const rest = items.entries();
  const workers = Array.from({ length: width }, async () => {
    for (const [index, item] of rest) await work(item, index);
  });
  await Promise.all(workers);
}
