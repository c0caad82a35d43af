import { createServer } from 'node:http';
import { Pool } from 'pg';
import { Server } from 'socket.io';
import { listen } from './listen.ts';

// Chat as it is usually written: Socket.IO, one INSERT for each message, the room is told when it is stored. One
// room for each session; pg's pool with its default of ten connections.

interface Message {
  readonly session_id: string;
  readonly sender_id: string;
  readonly content: object;
}

const pool = new Pool({ connectionString: process.env['DATABASE_URL'] });
await pool.query(
  `create table if not exists messages
    (id bigserial primary key, session_id text not null, sender_id text not null, content json not null,
     inserted_at timestamptz not null default now())`,
);
await pool.query('create index if not exists messages_of_session on messages (session_id, id)');

const server = createServer();
const io = new Server(server, { transports: ['websocket'] });

io.on('connection', (socket) => {
  socket.on('join', async (room: string, done: (answer: string) => void) => {
    await socket.join(room);
    done('ok');
  });
  socket.on('send', async (message: Message, done: (answer: object) => void) => {
    const { rows } = await pool.query(
      'insert into messages (session_id, sender_id, content) values ($1, $2, $3) returning id, inserted_at',
      [message.session_id, message.sender_id, message.content],
    );
    const stored = { ...message, ...rows[0] };
    done({ id: stored.id, inserted_at: stored.inserted_at });
    io.to(message.session_id).emit('message', stored);
  });
  // Stores nothing: the peer of fan-out.
  socket.on('announce', (message: object) => {
    io.to('everybody').emit('message', message);
  });
});

await listen(server);
