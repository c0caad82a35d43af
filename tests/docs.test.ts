import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describeErrors } from '@fleetlm/protocol';
import { describeConfiguration } from 'fleetlm';
import { describe, expect, test } from 'vitest';
import { describeAuthorization } from './authorization-table.ts';

const docs = resolve(import.meta.dirname, '../docs');

describe('pages made from the code are as the code is (else: npm run docs)', () => {
  test.each([
    ['authorization.md', describeAuthorization()],
    ['configuration.md', describeConfiguration()],
    ['errors.md', describeErrors()],
  ])('%s', (name, expected) => {
    expect(readFileSync(resolve(docs, name), 'utf8')).toBe(expected);
  });
});
