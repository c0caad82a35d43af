import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LanePace } from '../../src/conversation/append/lane-pace.ts';

beforeEach(() => vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => vi.useRealTimers());

function write(
  pace: LanePace,
  rows: number,
  ms: number,
  how: 'queue left' | 'queue empty' | 'failed' = 'queue left',
) {
  pace.begin(how !== 'queue empty');
  vi.advanceTimersByTime(ms);
  if (how === 'failed') pace.failed();
  pace.end(rows);
}

describe("a lane's pace", () => {
  test('is unknown, and costs nobody anything, until a queue has built up', () => {
    const pace = new LanePace();
    write(pace, 1, 50, 'queue empty');
    expect(pace.msPerRow).toBe(0);
    write(pace, 500, 50);
    expect(pace.msPerRow).toBeCloseTo(0.1);
  });

  test('follows what is slower only while there is a queue, and what is faster always', () => {
    const pace = new LanePace();
    write(pace, 100, 100);
    write(pace, 1, 50, 'queue empty');
    expect(pace.msPerRow).toBe(1);
    for (let n = 0; n < 30; n += 1) write(pace, 100, 10, 'queue empty');
    expect(pace.msPerRow).toBeCloseTo(0.1, 3);
    for (let n = 0; n < 30; n += 1) write(pace, 100, 400);
    expect(pace.msPerRow).toBeCloseTo(4, 2);
  });

  test('learns nothing from attempts that fail', () => {
    const pace = new LanePace();
    write(pace, 100, 10);
    write(pace, 100, 5_000, 'failed');
    expect(pace.msPerRow).toBeCloseTo(0.1);
  });
});
