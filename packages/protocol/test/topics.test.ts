import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ParticipantId, parseParticipantId, parseSessionId } from '../src/ids.ts';
import { inboxTopic, parseTopic, sessionTopic } from '../src/topics.ts';

const ulid = '01ARZ3NDEKTSV4RRFFQ69G5FAV';

test('topics are read as they are written', () => {
  const sessionId = parseSessionId(ulid)!;
  expect(parseTopic(sessionTopic(sessionId))).toEqual({ kind: 'session', sessionId });
});

test('property: so are those of inboxes, whatever the participant is called', () => {
  const ids = fc
    .string({ unit: 'grapheme', maxLength: 60 })
    .filter((text) => parseParticipantId(text) !== null) as fc.Arbitrary<ParticipantId>;
  fc.assert(
    fc.property(ids, (participantId) => {
      expect(parseTopic(inboxTopic(participantId))).toEqual({ kind: 'inbox', participantId });
    }),
  );
});

test.each([
  ['session:', { kind: 'session', sessionId: null }],
  ['session:1', { kind: 'session', sessionId: null }],
  [`session:${ulid} `, { kind: 'session', sessionId: null }],
  [`session:${ulid}:x`, { kind: 'session', sessionId: null }],
  ['inbox:', { kind: 'inbox', participantId: null }],
  ['inbox:a:b:c', { kind: 'inbox', participantId: 'a:b:c' }],
  [`inbox:${'x'.repeat(129)}`, { kind: 'inbox', participantId: null }],
  ['', null],
  [':', null],
  ['session', null],
  ['Session:1', null],
  [' session:1', null],
  ['room:1', null],
  ['phoenix', null],
  ['__proto__:1', null],
])('%j', (topic, expected) => {
  expect(parseTopic(topic)).toEqual(expected);
});
