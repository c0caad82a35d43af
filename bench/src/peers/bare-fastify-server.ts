import Fastify from 'fastify';
import { Pool } from 'pg';

// REST as it is usually written: Fastify checks a small schema, one INSERT for each message, the row is the answer;
// pg's pool with its default of ten connections. What is read is ready, as if Postgres and JSON cost nothing.

interface Message {
  readonly sender_id: string;
  readonly content: object;
  readonly client_id?: string;
}

const pool = new Pool({ connectionString: process.env['DATABASE_URL'] });
await pool.query(
  `create table if not exists messages
    (id bigserial primary key, session_id text not null, sender_id text not null, content json not null,
     client_id text, inserted_at timestamptz not null default now())`,
);
await pool.query('create index if not exists messages_of_session on messages (session_id, id)');

const page = jsonOf(Number(process.env['PAGE_BYTES']));
const body = {
  type: 'object',
  required: ['sender_id', 'content'],
  properties: {
    sender_id: { type: 'string' },
    content: { type: 'object', additionalProperties: true },
    client_id: { type: 'string' },
  },
};
const path = '/api/sessions/:id/messages';

const app = Fastify();

app.post<{ Params: { id: string }; Body: Message }>(path, { schema: { body } }, async (request) => {
  const { sender_id, content, client_id } = request.body;
  const { rows } = await pool.query(
    'insert into messages (session_id, sender_id, content, client_id) values ($1, $2, $3, $4) returning *',
    [request.params.id, sender_id, content, client_id],
  );
  return rows[0];
});

app.get(path, (_request, reply) => reply.type('application/json').send(page));

process.stdout.write(`listening on ${await app.listen({ port: 0, host: '127.0.0.1' })}\n`);

function jsonOf(bytes: number): string {
  return `{"messages":"${'m'.repeat(bytes - '{"messages":""}'.length)}"}`;
}
