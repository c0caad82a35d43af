import type { ConnectionTarget } from 'fleetlm';
import { Client } from 'pg';
import { ClosedLoop, type ClosedLoopResult } from './closed-loop.ts';
import type { Load } from './load.ts';
import { sampleText } from './sender.ts';

export interface OneRowCommitOrder {
  readonly target: ConnectionTarget;
  /** Each has one commit on its way. */
  readonly connections: number;
}

/** One row in a transaction of its own: what Postgres takes at the least to make a message durable. */
export async function openOneRowCommit({
  target,
  connections,
}: OneRowCommitOrder): Promise<Load<{ seconds: number }, ClosedLoopResult>> {
  const clients = await Promise.all(Array.from({ length: connections }, () => connect(target)));
  const insert = {
    name: 'insert',
    text: 'insert into one_row (session_id, sender_id, content) values ($1, $2, $3)',
    values: ['01JZ0000000000000000000000', 'user:a1', JSON.stringify({ text: sampleText })],
  };
  await clients[0]!.query(
    `create table if not exists one_row
      (id bigserial primary key, session_id text, sender_id text, content json, inserted_at timestamptz default now())`,
  );
  return {
    run: ({ seconds }) =>
      new ClosedLoop((slot, onEnd) => {
        clients[slot]!.query(insert).then(
          () => onEnd(),
          (error: Error) => onEnd(error.message),
        );
      }).run({ slots: connections, inFlight: 1, seconds }),
  };
}

async function connect(target: ConnectionTarget): Promise<Client> {
  const client = new Client({ ...target, pipeline: true });
  await client.connect();
  return client;
}
