import { alternate } from '../alternate.ts';
import { fillSessions } from '../fill-sessions.ts';
import { formatCount } from '../format-number.ts';
import type { ReaderOrder } from '../load/catch-up.ts';
import { cpuRows } from '../measure-cpu.ts';
import type { OwnServer } from '../own-server.ts';
import type { BenchDatabase } from '../postgres.ts';
import { type Row, rateRow, timeRows } from '../row.ts';
import type { OwnStage } from '../stage.ts';

export interface CatchUpSize {
  /** Of each session: all of them are missed. */
  readonly messages: number;
  /** So many catch up at once, each in its own session; and one alone. */
  readonly readers: number;
}

export interface CatchUpOptions {
  readonly server: OwnServer;
  readonly database: BenchDatabase;
  readonly size: CatchUpSize;
}

/** Readers who join with nothing, and wait for the last message: a part of `join`. */
export async function measureCatchUp(
  stage: OwnStage,
  { server, database, size: { messages, readers } }: CatchUpOptions,
): Promise<Row[]> {
  const { seconds } = stage;
  const filled = await fillSessions(database, { name: 'late', count: readers, messages });
  const url = await server.socketUrl(filled.readerId);
  const orders: ReaderOrder[] = [];
  for (const id of filled.ids) orders.push({ url, topic: `session:${id}`, ids: await readIds(server, id) });
  const load = await stage.openLoad('catch-up', { readers: orders });
  await load.run({ seconds: stage.warmUpSeconds, readers });
  const subjects = {
    alone: () => load.run({ seconds, readers: 1 }),
    atOnce: () => stage.measure(server, load, { seconds, readers }),
  };
  const results = await alternate(stage, subjects, 'catch-up');
  const what = `${formatCount(messages)} missed messages`;
  return [
    ...timeRows(`${what} until the last has come`, results.alone, ['p50', 'p95']),
    rateRow(`${what}, ${readers} readers at once`, 'messages/s', results.atOnce),
    ...cpuRows('missed message', results.atOnce),
  ];
}

/** The ids of all messages of a session, in order. */
async function readIds(server: OwnServer, sessionId: string): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const path = `/api/sessions/${sessionId}/messages?limit=200&after_seq=${ids.length}`;
    const page = await server.call('GET', path);
    ids.push(...(page['messages'] as { id: string }[]).map(({ id }) => id));
    if (!page['has_more_after']) return ids;
  }
}
