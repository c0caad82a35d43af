// The smallest agent: says what it was told, word by word. It takes every call as FleetLM's; the others check that.
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

async function answer(request, response) {
  const { data } = await json(request);
  const { text = 'Say something.' } = data.messages.at(-1)?.content ?? {};
  const send = (chunk) => response.write(`data: ${JSON.stringify(chunk)}\n\n`);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  send({ type: 'start' });
  send({ type: 'text-start', id: 'text' });
  for (const delta of String(text).match(/\s*\S+\s*/g) ?? []) {
    if (response.destroyed) return; // somebody has stopped it
    send({ type: 'text-delta', id: 'text', delta });
    await sleep(50);
  }
  send({ type: 'text-end', id: 'text' });
  send({ type: 'finish' });
  response.end('data: [DONE]\n\n');
}

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy());
});
server.listen(process.env.PORT ?? 4100, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
