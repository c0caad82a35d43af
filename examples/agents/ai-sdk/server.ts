import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { POST } from './agent.ts';

// Serves the agent by Node alone. A framework brings all of this along.

const server = createServer((request, response) => {
  serve(request, response).catch((error: unknown) => {
    if (!response.destroyed) console.error(error);
    response.destroy();
  });
});
server.listen(Number(process.env['PORT'] ?? 4101), '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  console.log(`listening on http://127.0.0.1:${port}`);
});

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const answer = await POST(
    new Request(`http://127.0.0.1${request.url}`, {
      method: 'POST',
      headers: Object.entries(request.headers).map(([name, value]): [string, string] => [
        name,
        String(value),
      ]),
      body: await buffer(request),
      signal: gone.signal,
    }),
  );
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  await pipeline(Readable.from(answer.body ?? []), response);
}
