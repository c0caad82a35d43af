import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { errorTable } from '@fleetlm/protocol';
import { describe, expect, test } from 'vitest';
import { allCases, channelCases, errorCases, frameCases, restCases } from '../src/all-cases.ts';
import { isCase } from '../src/case.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(resolve(root, file), 'utf8');

test('every case has an id of its own', () => {
  const ids = allCases.map(({ id }) => id);
  expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
});

test('every numbered case of the protocol is there', () => {
  const numbers = new Set(frameCases.map(({ id }) => Number(/^frames\/(\d+)/.exec(id)?.[1])));
  const missing = Array.from({ length: 70 }, (_, index) => index + 1).filter((each) => !numbers.has(each));
  expect(missing).toEqual([]);
});

test('every error code has a case, or names the test that has it', () => {
  expect(Object.keys(errorCases).sort()).toEqual(Object.keys(errorTable).sort());
  for (const [code, entries] of Object.entries(errorCases)) {
    const isShown = entries.some((entry) => isCase(entry) || entry.proof !== undefined);
    expect(isShown, code).toBe(true);
  }
});

test('every REST call of docs/rest.md has a case', () => {
  const calls = [
    ...read('docs/rest.md').matchAll(/`(?<method>GET|PUT|POST|PATCH|DELETE) (?<path>\/[^\s`?]*)/g),
  ];
  const documented = calls
    .map(({ groups }) => `${groups!['method']} ${groups!['path']}`)
    .filter((call) => /^\w+ \/(api|health)\//.test(call));
  expect([...new Set(documented)].sort()).toEqual(Object.keys(restCases).sort());
  for (const [call, entries] of Object.entries(restCases)) expect(entries.some(isCase), call).toBe(true);
});

describe('every event of docs/channels.md has a case', () => {
  test.each(['session', 'inbox'] as const)('%s', (channel) => {
    const section = read('docs/channels.md')
      .split(/^## /m)
      .find((each) => each.startsWith(`\`${channel}:`))!;
    const documented = [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, event]) => event!);
    const known = Object.keys(channelCases[channel]).sort();
    // A join is no row.
    expect(known).toEqual([...new Set([...documented, 'phx_join'])].sort());
  });
});

const proofs = allCases.flatMap((entry) =>
  isCase(entry) || !entry.proof ? [] : ([[entry.id, entry.proof]] as const),
);

test.each(proofs)('what %s names instead is a test', (_id, { file, test: name }) => {
  expect(read(file)).toContain(name);
});
