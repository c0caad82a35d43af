import type { MessageId, SessionId } from '@fleetlm/protocol';
import { expect, test } from 'vitest';
import type { Verdict } from '../../src/conversation/append/append-statements.ts';
import { PendingAppend } from '../../src/conversation/append/pending-append.ts';
import { sortVerdicts } from '../../src/conversation/append/sort-verdicts.ts';
import { draft } from './fixtures.ts';

const sessionId = 'A' as SessionId;

function pending(text: string): PendingAppend {
  return new PendingAppend({ ...draft(sessionId, text), id: text as MessageId }, 0, () => {});
}

function verdict(outcome: Verdict['outcome'], more: Partial<Verdict> = {}): Verdict {
  return {
    outcome,
    id: outcome as string as MessageId,
    seq: 1,
    insertedAt: '',
    lastSeq: 7,
    woke: null,
    ...more,
  };
}

test('each append gets the outcome of its verdict; what was stored is told to everybody else', () => {
  const batch = ['one', 'two', 'three', 'four', 'five'].map(pending);
  const { outcomes, committed, mistaken } = sortVerdicts(batch, [
    verdict('stored', { seq: 1, woke: 'turn' }),
    verdict('duplicate'),
    verdict('session_closed', { woke: 'turn' }),
    verdict('already_stored', { seq: 2, woke: 'hop_limit' }),
    verdict('stored', { seq: 3 }),
  ]);
  expect(outcomes.map((outcome) => outcome?.kind)).toEqual([
    'stored',
    'duplicate',
    'session_closed',
    'stored',
    'stored',
  ]);
  expect(outcomes[1]).toMatchObject({ lastSeq: 7 });
  expect(committed.messages.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  expect([...committed.wokenSessions]).toEqual([sessionId]);
  expect(committed.hopLimited.map(({ seq }) => seq)).toEqual([2]);
  expect(mistaken).toEqual([]);
});

test('those without a verdict are left open, in their order, and nobody hears of them', () => {
  const batch = ['one', 'two', 'three'].map(pending);
  const { outcomes, committed, mistaken } = sortVerdicts(batch, [null, verdict('stored'), null]);
  expect(outcomes.map((outcome) => outcome?.kind)).toEqual([undefined, 'stored', undefined]);
  expect(mistaken).toEqual([batch[0], batch[2]]);
  expect(committed.messages).toHaveLength(1);
});
