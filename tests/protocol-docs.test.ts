import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { channelContracts, closeCodes } from '@fleetlm/protocol';
import { RawSocket, startTestServer, type TestServer } from '@fleetlm/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';

const page = readFileSync(resolve(import.meta.dirname, '../docs/protocol.md'), 'utf8');

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
  for (const id of ['user:alice', 'user:bob'])
    await server.api('PUT', `/api/participants/${id}`, { body: {} });
});
afterAll(() => server[Symbol.asyncDispose]());

test.each([
  ['2.0.0', 'frames'],
  ['1.0.0', 'frames-v1'],
])('the frames of vsn %s are those of a server', async (vsn, language) => {
  await using server = await startTestServer();
  for (const id of ['user:alice', 'user:bob'])
    await server.api('PUT', `/api/participants/${id}`, { body: {} });
  const body = { initiator_id: 'user:alice', peer_id: 'user:bob' };
  const { session } = (await server.api('POST', '/api/sessions', { body })).body;
  await using socket = await RawSocket.open(server.socketUrl('user:alice'), { vsn });
  const lines = blocks(language).flatMap((block) => block.trimEnd().split('\n'));
  expect(lines.length).toBeGreaterThan(5);
  // They are gathered for a while, and come whenever they come.
  const isGathered = (text: string) => /^\[null,null,"[^"]+","(read|update)"/.test(text);
  let received = 0;
  for (const line of lines) {
    const [, direction, frame] = /^([→←]) (.+)$/.exec(line.replaceAll('SESSION', session.id))!;
    if (direction === '→') {
      socket.send(frame!);
      continue;
    }
    await socket.next((each) => !isGathered(JSON.stringify(each)));
    const text = socket.texts.filter((each) => !isGathered(each))[received];
    expect(text, line).toMatch(toPattern(frame!));
    received += 1;
  }
});

test('every event and close code has its place', () => {
  for (const { clientEvents, serverEvents } of Object.values(channelContracts)) {
    for (const event of [...Object.keys(clientEvents), ...Object.keys(serverEvents)])
      expect(page).toContain(event);
  }
  const rows = [...page.matchAll(/^\| (\d{4}) \| (?:`(\w+)`)? ?\|/gm)].map((match) => [
    match[1],
    match[2] ?? null,
  ]);
  for (const [code, { reason }] of Object.entries(closeCodes)) expect(rows).toContainEqual([code, reason]);
  expect(new Set(rows.map(([code]) => code))).toEqual(new Set(Object.keys(closeCodes)));
});

function blocks(language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)\`\`\`$`, 'gm'))].map(
    (match) => match[1]!,
  );
}

/** The frame as it is printed; `…` is anything. */
function toPattern(frame: string): RegExp {
  return new RegExp(
    `^${frame
      .split('…')
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
  );
}
