import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { nodeFlags } from '@fleetlm/testkit';
import { describe, expect, test } from 'vitest';
import { generatedDocs } from '../scripts/generated-docs.ts';
import { readHeldRows } from '../scripts/named-tests.ts';

const docs = resolve(import.meta.dirname, '../docs');

describe('pages made from the code are as the code is (else: npm run docs)', () => {
  test.each(Object.entries(generatedDocs()))('%s', (name, expected) => {
    expect(readFileSync(resolve(docs, name), 'utf8')).toBe(expected);
  });
});

test('no page has the marks of a merge that was not finished', () => {
  const pages = globSync(['*.md', 'docs/**/*.md'], { cwd: resolve(docs, '..') });
  const marked = pages.filter((page) =>
    /^(<{7}|>{7}) /m.test(readFileSync(resolve(docs, '..', page), 'utf8')),
  );
  expect(pages).toContain('docs/guarantees.md');
  expect(marked).toEqual([]);
});

test.each(['package.json', 'docs/operations.md'])(
  '%s starts the server with the flags that tests and the bench give it',
  (file) => {
    const text = readFileSync(resolve(docs, '..', file), 'utf8');
    expect(text).toContain(`node ${nodeFlags.join(' ')} packages/server/bin/fleetlm.js`);
  },
);

test('a bin that runs the sources gives Node the same flags', () => {
  const text = readFileSync(resolve(docs, '../packages/server/bin/run-sources.js'), 'utf8');
  expect(text).toContain(`['${nodeFlags.join("', '")}']`);
});

test.each(['README.md', 'docs/agents.md', 'docs/operations.md'])(
  '%s says how a command is run, in a clone and elsewhere',
  (page) => {
    const text = readFileSync(resolve(docs, '..', page), 'utf8').replaceAll(/\s+/g, ' ');
    expect(text).toMatch(
      /A command is run as `npx fleetlm …` in a clone.*, as `fleetlm …` where the package is/,
    );
  },
);

/** Pages whose rows are held by tests: which rows there are, at least. */
describe.each([
  ['guarantees.md', 'I', 15],
  ['security.md', 'S', 30],
])('docs/%s', (name, letter, minRows) => {
  const root = resolve(docs, '..');
  const rows = readHeldRows(readFileSync(resolve(docs, name), 'utf8'), letter);

  test('each row names a test', () => {
    expect(rows.length).toBeGreaterThanOrEqual(minRows);
    expect(rows.filter(({ tests }) => tests.length === 0)).toEqual([]);
  });

  test.each(rows.flatMap(({ id, tests }) => tests.map(({ file, names }) => ({ id, file, names }))))(
    '$id: $file has the tests that are named: $names',
    ({ file, names }) => {
      const source = readFileSync(resolve(root, file), 'utf8');
      for (const each of names) expect(source).toContain(each);
    },
  );
});
