import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describeErrors } from '@fleetlm/protocol';
import { describeConfiguration, describeMetrics } from 'fleetlm';
import { describe, expect, test } from 'vitest';
import { describeAuthorization } from './authorization-table.ts';

const docs = resolve(import.meta.dirname, '../docs');

describe('pages made from the code are as the code is (else: npm run docs)', () => {
  test.each([
    ['authorization.md', describeAuthorization()],
    ['configuration.md', describeConfiguration()],
    ['errors.md', describeErrors()],
    ['metrics.md', describeMetrics()],
  ])('%s', (name, expected) => {
    expect(readFileSync(resolve(docs, name), 'utf8')).toBe(expected);
  });
});

describe('docs/guarantees.md', () => {
  const root = resolve(docs, '..');
  const text = readFileSync(resolve(docs, 'guarantees.md'), 'utf8');
  const rows = text.split('\n').filter((line) => /^\| I\d+ /.test(line));
  const references = rows.flatMap((row) =>
    [...row.matchAll(/`((?:packages|tests)\/[^`]+)`((?:,? "[^"]+")*)/g)].map(
      (match) => [match[1]!, [...match[2]!.matchAll(/"([^"]+)"/g)].map((name) => name[1]!)] as const,
    ),
  );

  test('each promise names a test', () => {
    expect(rows.length).toBeGreaterThan(15);
    for (const row of rows) expect(row, row).toMatch(/`(?:packages|tests)\/.+\.test\.ts`/);
  });

  test.each(references)('%s has the tests that are named: %s', (file, names) => {
    const source = readFileSync(resolve(root, file), 'utf8');
    for (const name of names) expect(source).toContain(name);
  });
});
