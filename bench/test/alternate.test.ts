import { expect, test } from 'vitest';
import { alternate, alternateAll } from '../src/alternate.ts';

const stage = (rounds: number, said: string[] = []) => ({
  rounds,
  progress: (text: string) => said.push(text),
});

test('subjects take turns, and each begins a round', async () => {
  const turns: string[] = [];
  const subject = (name: string) => async () => {
    turns.push(name);
    return `turn ${turns.length}`;
  };
  const results = await alternate(stage(3), { a: subject('a'), b: subject('b'), c: subject('c') });
  expect(turns.join('')).toBe('abcbcacab');
  expect(results).toEqual({
    a: ['turn 1', 'turn 6', 'turn 8'],
    b: ['turn 2', 'turn 4', 'turn 9'],
    c: ['turn 3', 'turn 5', 'turn 7'],
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
  await alternate(stage(2), { a: subject, b: subject });
});

test('what fails ends it', async () => {
  const failing = () => Promise.reject(new Error('no server'));
  await expect(alternate(stage(2), { failing })).rejects.toThrow('no server');
});

test('more than ten subjects without names keep their places', async () => {
  const subjects = Array.from({ length: 12 }, (_, n) => async () => n);
  expect(await alternateAll(stage(2), subjects)).toEqual(subjects.map((_, n) => [n, n]));
});

test('each round is told, and how long the last one took', async () => {
  const said: string[] = [];
  await alternate(stage(2, said), { a: async () => {} }, 'updates');
  expect(said).toEqual(['updates, round 1 of 2', 'updates, round 2 of 2, about 1 s']);
});
