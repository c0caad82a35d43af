import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { testSecret } from '@fleetlm/testkit';
import { expect, test } from 'vitest';
import { judgeFileLimit } from '../../src/cli/doctor/machine-checks.ts';
import { parseConfig } from '../../src/config/config.ts';
import { findUnknownVariables } from '../../src/config/unknown-variables.ts';

const root = resolve(import.meta.dirname, '../../../..');
const page = readFileSync(resolve(root, 'docs/operations.md'), 'utf8');

/** The settings of the page's first server; its secret files are on no machine but the reader's. */
function pageEnvironment(): Record<string, string> {
  const [, block = ''] = /```sh\n(HOST=[\s\S]*?)```/.exec(page) ?? [];
  const given = Object.fromEntries(block.split('\n').map((line) => line.split('=') as [string, string]));
  const { DATABASE_URL_FILE, FLEETLM_JWT_SECRET_FILE, '': _, ...others } = given;
  expect([DATABASE_URL_FILE, FLEETLM_JWT_SECRET_FILE]).not.toContain(undefined);
  return { ...others, DATABASE_URL: 'postgres://me@db/chat', FLEETLM_JWT_SECRET: testSecret };
}

test('its settings are those of a server that checks tokens', () => {
  const env = pageEnvironment();
  expect(findUnknownVariables(env)).toEqual([]);
  expect(parseConfig(env)).toMatchObject({ auth: { mode: 'jwt' }, ops: { host: '127.0.0.1' } });
});

test('its command gives Node the flags of `npm start`', () => {
  const { scripts } = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8'));
  const [, flags] = /^node (--.+) packages/.exec(scripts.start)!;
  expect(page).toContain(`exec node ${flags} packages/server/bin/fleetlm.js`);
});

test('its unit leaves files and time enough', () => {
  const config = parseConfig(pageEnvironment());
  const files = Number(/LimitNOFILE=(\d+)/.exec(page)![1]);
  const stopSeconds = Number(/TimeoutStopSec=(\d+)/.exec(page)![1]);
  expect(judgeFileLimit(files, config).level).toBe('ok');
  expect(stopSeconds * 1_000).toBeGreaterThan(config.lifecycle.shutdownMs);
});

test('every variable that it names exists', () => {
  const names = [...page.matchAll(/\bFLEETLM_[A-Z_]+/g)].map(([name]) => name);
  expect(names.length).toBeGreaterThan(15);
  expect(findUnknownVariables(Object.fromEntries(names.map((name) => [name, '1'])))).toEqual([]);
});
