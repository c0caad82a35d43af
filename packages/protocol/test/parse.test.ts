import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { parseShape } from '../src/parse.ts';
import {
  appendBodySchema,
  directSessionBodySchema,
  historyQuerySchema,
  readBodySchema,
} from '../src/rest-shapes.ts';
import { historyPayloadSchema, joinPayloadSchema, sendPayloadSchema } from '../src/shapes.ts';

function fieldsOf(schema: z.ZodType, value: unknown): string[] {
  const result = parseShape(schema, value);
  if (result.ok) return [];
  expect(result.error.code).toBe('invalid_request');
  return Object.keys(result.error.errors ?? {}).sort();
}

describe('which fields are bad', () => {
  test.each([
    ['the value as a whole', joinPayloadSchema, 'x', ['body']],
    ['one', joinPayloadSchema, { limit: 0 }, ['limit']],
    ['two', joinPayloadSchema, { limit: 0, last_seq: 'x' }, ['last_seq', 'limit']],
    ['one inside another', sendPayloadSchema, { content: { content: 1 } }, ['content.content']],
    ['one that is missing', sendPayloadSchema, {}, ['content']],
    ['one of the prototype', historyPayloadSchema, { limit: 'constructor' }, ['limit']],
    ['of a body', appendBodySchema, { kind: 1, sender_id: '' }, ['content', 'kind', 'sender_id']],
    ['of a body that is none', appendBodySchema, [], ['body']],
    [
      'two that exclude each other',
      readBodySchema,
      { seq: 1, message_id: '01ARZ3NDEKTSV4RRFFQ69G5FAV' },
      ['seq'],
    ],
    ['of a query', historyQuerySchema, { limit: '1e2', after_seq: '-1' }, ['after_seq', 'limit']],
    ['nothing', directSessionBodySchema, { initiator_id: 'a', peer_id: 'b' }, []],
  ])('%s', (_name, schema, value, fields) => {
    expect(fieldsOf(schema, value)).toEqual(fields);
  });

  test('items of a list by their place', () => {
    const schema = z.object({ list: z.array(z.object({ n: z.int() })) });
    expect(fieldsOf(schema, { list: [{ n: 1 }, { n: 'x' }] })).toEqual(['list.1.n']);
  });

  test('a field that is called like a part of the prototype', () => {
    const schema = z.record(z.string(), z.int('must be an integer'));
    expect(fieldsOf(schema, JSON.parse('{"constructor":"x","toString":"y"}'))).toEqual([
      'constructor',
      'toString',
    ]);
  });
});

test('the message names every field with what is wrong', () => {
  const result = parseShape(joinPayloadSchema, { limit: 0, last_seq: -1 });
  expect(result).toEqual({
    ok: false,
    error: {
      code: 'invalid_request',
      detail: 'last_seq must not be negative; limit must be at least 1',
      errors: { last_seq: ['must not be negative'], limit: ['must be at least 1'] },
    },
  });
});

test('defaults are filled in, unknown fields are dropped', () => {
  expect(parseShape(joinPayloadSchema, { other: 1 })).toEqual({ ok: true, value: { limit: 50 } });
  expect(parseShape(sendPayloadSchema, { content: { content: { a: 1 }, other: 2 }, extra: 3 })).toEqual({
    ok: true,
    value: { content: { kind: 'text', content: { a: 1 }, metadata: {} } },
  });
});
