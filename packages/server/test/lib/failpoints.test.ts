import { describe, expect, test } from 'vitest';
import { Failpoints } from '../../src/lib/failpoints.ts';

/** How often the failpoint throws in 1,000 tries, as a text of 0 and 1. */
async function throwsOf(rules: string): Promise<string> {
  const failpoints = new Failpoints(rules);
  let pattern = '';
  for (let n = 0; n < 1_000; n += 1) {
    pattern += await failpoints.reach('before_commit').then(
      () => '0',
      () => '1',
    );
  }
  return pattern;
}

function countOf(pattern: string): number {
  return pattern.replaceAll('0', '').length;
}

test.each(['', ';', ' ; ', 'seed=7'])('%j sets none', async (rules) => {
  const failpoints = new Failpoints(rules);
  expect(failpoints.isSet('before_commit')).toBe(false);
  await failpoints.reach('before_commit');
  await failpoints.reach('after_commit_before_ack');
});

describe('rules', () => {
  test('throw names the place', async () => {
    const failpoints = new Failpoints('before_commit=throw');
    expect([failpoints.isSet('before_commit'), failpoints.isSet('after_commit_before_ack')]).toEqual([
      true,
      false,
    ]);
    await expect(failpoints.reach('before_commit')).rejects.toThrow('failpoint before_commit');
    await failpoints.reach('after_commit_before_ack');
  });

  test('several, with spaces and an empty part', () => {
    const failpoints = new Failpoints(
      ' before_commit=sleep(50) ; after_commit_before_ack=kill@0.01;seed=7; ',
    );
    expect(failpoints.isSet('before_commit')).toBe(true);
    expect(failpoints.isSet('after_commit_before_ack')).toBe(true);
  });

  test('sleep holds up its caller, and only that', async () => {
    const failpoints = new Failpoints('before_commit=sleep(30)');
    const started = performance.now();
    await failpoints.reach('before_commit');
    expect(performance.now() - started).toBeGreaterThan(25);
  });

  test('a probability: none, all, some', async () => {
    expect(countOf(await throwsOf('before_commit=throw@0'))).toBe(0);
    expect(countOf(await throwsOf('before_commit=throw@1'))).toBe(1_000);
    const some = countOf(await throwsOf('before_commit=throw@0.25;seed=1'));
    expect(some).toBeGreaterThan(200);
    expect(some).toBeLessThan(300);
  });

  test('a seed makes a run repeatable', async () => {
    const [first, again, other] = await Promise.all(
      ['7', '7', '8'].map((seed) => throwsOf(`before_commit=throw@0.5;seed=${seed}`)),
    );
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });
});

test.each([
  'nowhere=throw',
  'before_commit',
  'before_commit=',
  'before_commit=explode',
  'before_commit=sleep',
  'before_commit=sleep()',
  'before_commit=sleep(-1)',
  'before_commit=throw@',
  'before_commit=throw@x',
  'before_commit=throw@.',
  'before_commit=throw@1.2.3',
  'before_commit=throw@1.5',
  'before_commit=throw@2',
  'before_commit = throw',
  'Before_commit=throw',
  'constructor=throw',
  'before_commit=throw;seed=abc',
  'before_commit=throw;seed=',
  'before_commit=throw,after_commit_before_ack=kill',
])('refused: %s', (rules) => {
  expect(() => new Failpoints(rules)).toThrow(/^must (be|have) /);
});
