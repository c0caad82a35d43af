// Says something in a session, and shows the answer while it streams: `node say.js user:alice SESSION "Hello there"`.
import { Socket } from 'phoenix';

const [participant, session, ...words] = process.argv.slice(2);
if (!participant || !session || words.length === 0) {
  console.error(
    'usage: npx node examples/agents/say.js PARTICIPANT SESSION TEXT, as user:alice 01K1J8Z… "Hello there"',
  );
  process.exit(64);
}
const text = words.join(' ');
const url = process.env.FLEETLM_URL ?? 'http://127.0.0.1:4000';
const socket = new Socket(`${url.replace('http', 'ws')}/socket`, { params: { participant_id: participant } });
socket.onError(() => {
  console.error(
    `no FleetLM at ${url} that takes ${participant}: start it, or say where it is with FLEETLM_URL`,
  );
  process.exit(1);
});
socket.connect();

const channel = socket.channel(`session:${session}`);
channel.on('stream_chunk', ({ chunk }) => {
  if (chunk.type === 'text-delta') process.stdout.write(chunk.delta);
  else if (chunk.type.startsWith('tool-')) process.stdout.write(`[${chunk.type}] `);
});
// What was streamed comes as a message in the end. It is stored then, and has a place in the session.
// What was not streamed has a text: an answer in one piece, or why there is none.
channel.on('message', ({ sender_id, seq, kind, content, metadata }) => {
  if (sender_id === participant) return;
  console.log(`${content.text ?? ''}\n(message ${seq} of ${sender_id}: ${metadata.termination ?? kind})`);
  process.exit();
});

const fail = (what, { reason, message }) => {
  console.error(`${what}: ${message} (${reason})`);
  process.exit(1);
};
channel.join().receive('error', (why) => fail(`${participant} cannot talk in session ${session}`, why));
channel
  .push('send', { content: { content: { text } }, client_id: crypto.randomUUID() })
  .receive('error', (why) => fail('the message was refused', why));
