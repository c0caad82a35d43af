import { createServer, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { listen } from '../peers/listen.ts';
import { type StreamOrder, sealOf, writeToken } from './stream-text.ts';

// Agents that stream by the clock, as the AI SDK does: an event for each piece of text, with the time of its writing.

interface TurnRequested {
  readonly data: { readonly messages: readonly { readonly content: StreamOrder }[] };
}

const server = createServer(async (request, response) => {
  const { data } = (await json(request)) as TurnRequested;
  stream(response, data.messages.at(-1)!.content);
});

await listen(server);

function stream(response: ServerResponse, { chunks, per_second: perSecond }: StreamOrder): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  send(response, { type: 'start' });
  send(response, { type: 'text-start', id: 'text' });
  const beganMs = performance.now();
  let text = '';
  let written = 0;
  const timer = setInterval(() => {
    const due = Math.min(chunks, ((performance.now() - beganMs) / 1_000) * perSecond);
    for (; written < due; written += 1) text += delta(response, writeToken(written));
    if (written === chunks) end(response, text);
  }, 1_000 / perSecond);
  response.on('close', () => clearInterval(timer));
}

function end(response: ServerResponse, text: string): void {
  if (response.writableEnded) return;
  delta(response, sealOf(text));
  send(response, { type: 'text-end', id: 'text' });
  send(response, { type: 'finish' });
  response.end('data: [DONE]\n\n');
}

function delta(response: ServerResponse, text: string): string {
  send(response, { type: 'text-delta', id: 'text', delta: text });
  return text;
}

function send(response: ServerResponse, chunk: object): void {
  response.write(`data: ${JSON.stringify(chunk)}\n\n`);
}
