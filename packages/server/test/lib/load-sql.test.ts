import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadSql } from '../../src/lib/load-sql.ts';

const sources = new URL('../../src/', import.meta.url);
const files = readdirSync(sources, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.sql'),
);

test.each(files)('%s keeps its literals, and loses comments and indentation', (file) => {
  const url = new URL(file, sources);
  const tokens = readFileSync(url, 'utf8').match(/--.*|'[^']*'/g) ?? [];
  const loaded = loadSql(url);
  expect(loaded.match(/'[^']*'/g) ?? []).toEqual(tokens.filter((token) => token.startsWith("'")));
  expect(loaded).not.toMatch(/--|\s\s|\n/);
});
