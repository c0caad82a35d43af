import { alternate } from '../alternate.ts';
import { type FilledSessions, fillSessions } from '../fill-sessions.ts';
import { formatCount } from '../format-number.ts';
import { inTurns } from '../in-turns.ts';
import type { LoadProcess } from '../load/load-process.ts';
import type { ReconnectResult } from '../load/reconnect.ts';
import { sampleText } from '../load/sample-text.ts';
import { type Counted, cpuRows } from '../measure-cpu.ts';
import type { OwnServer } from '../own-server.ts';
import type { BenchDatabase } from '../postgres.ts';
import { failureRows, type Row, timeRows } from '../row.ts';
import type { OwnStage } from '../stage.ts';

export interface ReconnectSize {
  /** Each in a session of its own. */
  readonly sockets: number;
  /** What is said in each session meanwhile. */
  readonly missedEach: number;
  /** What was said before. */
  readonly messages: number;
}

export interface ReconnectOptions {
  readonly server: OwnServer;
  readonly database: BenchDatabase;
  readonly size: ReconnectSize;
}

/** Many lose their connection, miss something, and come back at the same moment: a part of `join`. */
export async function measureReconnect(
  stage: OwnStage,
  { server, database, size }: ReconnectOptions,
): Promise<Row[]> {
  const order = { name: 'back', count: size.sockets, messages: size.messages };
  const filled = await fillSessions(database, order);
  const url = await server.socketUrl(filled.readerId);
  const members = filled.ids.map((id) => ({ url, topic: `session:${id}` }));
  const load = await stage.openLoad('reconnect', { members });
  const comeBack = () => measureReturn(stage, { server, load, filled, size });
  await comeBack();
  const { back } = await alternate(stage, { back: comeBack }, 'reconnect');
  return toRows(size, back);
}

interface ReturnOptions {
  readonly server: OwnServer;
  readonly load: LoadProcess<'reconnect'>;
  readonly filled: FilledSessions;
  readonly size: ReconnectSize;
}

/** Something is said in each session while nobody is there; then all come back. */
async function measureReturn(
  stage: OwnStage,
  { server, load, filled, size }: ReturnOptions,
): Promise<ReconnectResult & Counted> {
  const missed: string[][] = filled.ids.map(() => []);
  await inTurns(filled.ids.entries(), async ([index, id]) => {
    while (missed[index]!.length < size.missedEach)
      missed[index]!.push(await send(server, id, filled.writerId));
  });
  const result = await stage.measure(server, load, { missed });
  return { ...result, count: size.sockets };
}

/** Returns the id of the message. */
async function send(server: OwnServer, sessionId: string, senderId: string): Promise<string> {
  const body = { sender_id: senderId, content: { text: sampleText } };
  const { message } = await server.call('POST', `/api/sessions/${sessionId}/messages`, body);
  return (message as { id: string }).id;
}

function toRows({ sockets }: ReconnectSize, results: readonly (ReconnectResult & Counted)[]): Row[] {
  const what = `${formatCount(sockets)} sockets come back at once`;
  const seconds = results.map((result) => result.seconds);
  return [
    { what: `${what}, until all have caught up`, unit: 's', values: seconds, target: { atMost: 5 } },
    ...timeRows(`${what}, until one has`, results, ['p50']),
    ...failureRows(what, results),
    ...cpuRows('socket that comes back, and goes', results),
  ];
}
