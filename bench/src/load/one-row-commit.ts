import type { ConnectionTarget } from 'fleetlm';
import { Client } from 'pg';
import { type ClosedLoopResult, runClosedLoop } from './closed-loop.ts';
import type { Load, TimedRun } from './load.ts';
import { sampleText } from './sample-text.ts';

export interface OneRowCommitOrder {
  readonly target: ConnectionTarget;
}

/**
 * One row in a transaction of its own, back to back: the least that Postgres takes to make a message durable.
 */
export async function openOneRowCommit({
  target,
}: OneRowCommitOrder): Promise<Load<TimedRun, ClosedLoopResult>> {
  const client = new Client({ ...target, pipeline: true });
  await client.connect();
  await client.query(
    `create table if not exists one_row
      (id bigserial primary key, session_id text, sender_id text, content json, inserted_at timestamptz default now())`,
  );
  const insert = {
    name: 'insert',
    text: 'insert into one_row (session_id, sender_id, content) values ($1, $2, $3)',
    values: ['01JZ0000000000000000000000', 'user:a1', JSON.stringify({ text: sampleText })],
  };
  return {
    run: ({ seconds }) =>
      runClosedLoop({ slots: 1, inFlight: 1, seconds }, (_slot, onEnd) => {
        client.query(insert).then(
          () => onEnd(),
          (error: Error) => onEnd(error.message),
        );
      }),
  };
}
