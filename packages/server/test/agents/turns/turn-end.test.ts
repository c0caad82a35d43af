import { expect, test } from 'vitest';
import { callFailure } from '../../../src/agents/call-failure.ts';
import { terminationAfter, turnEndOf } from '../../../src/agents/turns/turn-end.ts';

test('how a stream ends that its agent did not end', () => {
  expect(terminationAfter(null)).toBe('finish');
  expect(terminationAfter(callFailure('connection_lost', ''))).toBe('interrupted');
  expect(terminationAfter(callFailure('idle_timeout', ''))).toBe('error');
});

test('what the end of a stream means for its turn', () => {
  const ends = (['finish', 'stopped', 'interrupted', 'error'] as const).map(turnEndOf);
  expect(ends).toEqual(['completed', 'stopped', 'failed', 'failed']);
});
