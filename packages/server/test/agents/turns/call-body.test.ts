import { type ParticipantId, parseTurnId } from '@fleetlm/protocol';
import { expect, test } from 'vitest';
import { encodeCallBody } from '../../../src/agents/turns/call-body.ts';

const content = {
  turnId: parseTurnId('01K1J8Z6WR0000000000000000')!,
  attempt: 2,
  agentId: 'agent:"bot"\\' as ParticipantId,
  sessionJson: '{"id":"s","metadata":{"x":1e400}}',
  messagesJson: ['{"seq":1}', '{"seq":2,"text":"Grüße"}'],
  newFromSeq: 2,
  timestamp: '2026-08-01T09:30:00.000Z',
};

/** A message of so many bytes, two of them for each character of its text. */
function messageOf(seq: number, bytes: number): string {
  const head = `{"seq":${seq},"text":"`;
  return `${head}${'ü'.repeat((bytes - head.length - 2) / 2)}"}`;
}

function seqsIn(messagesJson: readonly string[]): number[] {
  const body = encodeCallBody({ ...content, messagesJson });
  return JSON.parse(body.toString()).data.messages.map(({ seq }: { seq: number }) => seq);
}

test('a call is what the contract says', () => {
  const body = encodeCallBody({ ...content, sessionJson: '{"id":"s"}' });
  expect(JSON.parse(body.toString())).toEqual({
    type: 'turn.requested',
    timestamp: '2026-08-01T09:30:00.000Z',
    data: {
      turn_id: '01K1J8Z6WR0000000000000000',
      attempt: 2,
      agent_id: 'agent:"bot"\\',
      session: { id: 's' },
      messages: [{ seq: 1 }, { seq: 2, text: 'Grüße' }],
      new_from_seq: 2,
    },
  });
});

test('JSON that is stored goes out as it is', () => {
  expect(encodeCallBody(content).toString()).toContain(content.sessionJson);
});

test('a sample says that it is one', () => {
  expect(
    JSON.parse(encodeCallBody({ ...content, sessionJson: '{}', isTest: true }).toString()).data.test,
  ).toBe(true);
});

test('of more than 1 MiB the oldest messages are left out, counted in bytes', () => {
  const quarter = 1 << 18;
  const messages = [1, 2, 3, 4, 5].map((seq) => messageOf(seq, quarter - 2 + (seq % 2)));
  expect(seqsIn(messages)).toEqual([2, 3, 4, 5]);
  expect(seqsIn([messageOf(1, 22 + 2), ...messages.slice(1)])).toEqual([2, 3, 4, 5]);
  expect(seqsIn(messages.slice(2))).toEqual([3, 4, 5]);
});

test('the newest message is always there', () => {
  expect(seqsIn([messageOf(1, 100), messageOf(2, (2 << 20) + 2)])).toEqual([2]);
  expect(seqsIn([])).toEqual([]);
});
