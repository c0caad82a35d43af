import { describe, expect, test } from 'vitest';
import { closeCodeLabel, topicGroupOf } from '../../src/observability/labels.ts';
import { closeCodeOf } from '../../src/socket/close-code.ts';

describe('labels are a closed set, whatever clients send', () => {
  test.each([
    [1000, '1000'],
    [4008, '4008'],
    [4999, 'other'],
    [3000, 'other'],
    [Number.NaN, 'other'],
  ])('the close code %d is %s', (code, label) => expect(closeCodeLabel(code)).toBe(label));

  test.each([
    ['session:01ARZ3NDEKTSV4RRFFQ69G5FAV', 'session'],
    ['inbox:user:alice', 'inbox'],
    ['sessions', 'other'],
    ['', 'other'],
  ])('the topic "%s" is of the group %s', (topic, group) => expect(topicGroupOf(topic)).toBe(group));
});

test.each([
  ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009],
  ['WS_ERR_TOO_MANY_BUFFERED_PARTS', 1008],
  ['WS_ERR_INVALID_UTF8', 1007],
  ['WS_ERR_EXPECTED_MASK', 1002],
  ['ECONNRESET', null],
])('the error %s closes with %s', (code, closeCode) => {
  expect(closeCodeOf(Object.assign(new Error('broken'), { code }))).toBe(closeCode);
});
