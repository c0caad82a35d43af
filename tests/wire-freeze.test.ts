import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { describeWire, findChanges, type Wire } from '../scripts/describe-wire.ts';

const path = resolve(import.meta.dirname, '../packages/protocol/wire.json');
const frozen: Wire = JSON.parse(readFileSync(path, 'utf8'));

test('the wire is as it was frozen', () => {
  const changes = findChanges(frozen, describeWire());
  if (changes.length === 0) return;
  throw new Error(
    `The wire has changed: ${changes.join(', ')}.\n\n` +
      'Clients that are out there must go on working. Compatible are: a new field of a reply, a new optional field of a ' +
      'request, a wider limit, a new call, event or error code. Not compatible are: a field, code or event that is gone ' +
      'or means something else, a new required field, a tighter limit: they need a new call or event beside the old one.\n\n' +
      'See what has changed by `npm run docs` and `git diff docs/*.json`. If it is meant and compatible, say so in ' +
      'CHANGELOG.md, and freeze it by `npm run wire`.',
  );
});

test('a change is named', () => {
  const changed = {
    ...frozen,
    shapes: { ...frozen.shapes, Message: 'other' },
    errors: { ...frozen.errors, too_late: '410, final' },
    frames: {},
  };
  expect(findChanges(frozen, changed)).toEqual([
    'shapes.Message',
    'errors.too_late',
    ...Object.keys(frozen.frames).map((name) => `frames.${name}`),
  ]);
});
