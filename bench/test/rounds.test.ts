import { expect, test } from 'vitest';
import { alternate } from '../src/rounds.ts';

test('subjects take turns, and each begins a round', async () => {
  const turns: string[] = [];
  const subject = (name: string) => async (round: number) => {
    turns.push(`${name}${round}`);
    return `${name} in ${round}`;
  };
  const results = await alternate(3, { a: subject('a'), b: subject('b'), c: subject('c') });
  expect(turns).toEqual(['a0', 'b0', 'c0', 'b1', 'c1', 'a1', 'c2', 'a2', 'b2']);
  expect(results).toEqual({
    a: ['a in 0', 'a in 1', 'a in 2'],
    b: ['b in 0', 'b in 1', 'b in 2'],
    c: ['c in 0', 'c in 1', 'c in 2'],
  });
});

test('never two at a time', async () => {
  let running = 0;
  const subject = async () => {
    running += 1;
    await new Promise(setImmediate);
    expect(running).toBe(1);
    running -= 1;
  };
  await alternate(2, { a: subject, b: subject });
});

test('what fails ends it', async () => {
  const failing = () => Promise.reject(new Error('no server'));
  await expect(alternate(2, { failing })).rejects.toThrow('no server');
});
