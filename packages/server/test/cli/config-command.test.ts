import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findUnknownVariables } from '../../src/config/unknown-variables.ts';
import { variables } from '../../src/config/variables.ts';
import { nearestName } from '../../src/lib/nearest-name.ts';
import { runCommand } from './command-fixture.ts';

const secret = 'a-secret-of-32-bytes-that-nobody-sees';
let directory: string;
let secretFile: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fleetlm-config-'));
  secretFile = join(directory, 'secret');
  await writeFile(secretFile, `${secret}\n`);
});
afterAll(() => rm(directory, { recursive: true }));

/** The line of a variable, as words. */
async function lineOf(name: string, env: Record<string, string>): Promise<string[]> {
  const { output } = await runCommand(['config'], env);
  return output
    .split('\n')
    .find((line) => line.startsWith(`${name} `))!
    .split(/ {2,}/);
}

async function json(env: Record<string, string>) {
  const { output } = await runCommand(['config', '--json'], env);
  return JSON.parse(output);
}

describe('fleetlm config', () => {
  test('prints every variable, once, in the order of the documentation', async () => {
    const { code, output } = await runCommand(['config']);
    expect(code).toBe(0);
    expect(
      output
        .trimEnd()
        .split('\n')
        .map((line) => line.split(' ')[0]),
    ).toEqual(Object.keys(variables));
  });

  test('says what is set and whence', async () => {
    expect(await lineOf('PORT', {})).toEqual(['PORT', '4000', 'default']);
    expect(await lineOf('PORT', { PORT: '80' })).toEqual(['PORT', '80', 'environment']);
    expect(await lineOf('PORT', { PORT: '' })).toEqual(['PORT', '4000', 'default']);
    expect(await lineOf('DATABASE_URL', {})).toEqual(['DATABASE_URL', '-', 'default']);
    expect(await lineOf('HOST', { HOST: 'a b' })).toEqual(['HOST', '"a b"', 'environment']);
  });

  test('a default that depends on others is the one that holds', async () => {
    expect(await lineOf('FLEETLM_AUTH', {})).toEqual(['FLEETLM_AUTH', 'none', 'default']);
    const env = { FLEETLM_JWT_SECRET: secret };
    expect(await lineOf('FLEETLM_AUTH', env)).toEqual(['FLEETLM_AUTH', 'jwt', 'default']);
    expect(await lineOf('FLEETLM_RATE_MESSAGES', {})).toEqual(['FLEETLM_RATE_MESSAGES', '0', 'default']);
    expect(await lineOf('FLEETLM_RATE_MESSAGES', env)).toEqual(['FLEETLM_RATE_MESSAGES', '50', 'default']);
  });

  test('shows no secret, and not how long it is', async () => {
    const env = { DATABASE_URL: `postgres://me:${secret}@db/chat`, FLEETLM_JWT_SECRET_FILE: secretFile };
    expect(await lineOf('DATABASE_URL', env)).toEqual(['DATABASE_URL', '***', 'environment']);
    expect(await lineOf('FLEETLM_JWT_SECRET', env)).toEqual(['FLEETLM_JWT_SECRET', '***', 'file']);
    const { output } = await runCommand(['config', '--json'], env);
    expect(JSON.parse(output).settings).toContainEqual({
      name: 'FLEETLM_JWT_SECRET',
      value: '***',
      source: 'file',
    });
    expect(output).not.toContain(secret);
  });

  test('bad values are listed, with the exit code of a start', async () => {
    const env = { PORT: 'http', FLEETLM_APPEND_LANES: '0', DATABASE_URL: `me:${secret}@db` };
    const { code, output } = await runCommand(['config'], env);
    expect(code).toBe(78);
    expect(output).toContain('PORT must be an integer from 0 to 65535 (it is "http")');
    expect(output).toContain('FLEETLM_APPEND_LANES must be an integer');
    expect(output).toContain('DATABASE_URL must be postgres://');
    expect(output).not.toContain(secret);
    expect((await runCommand(['config', '--json'], env)).code).toBe(78);
  });

  test('the JSON holds settings, problems and unknown variables', async () => {
    expect(await json({})).toMatchObject({ problems: [], unknown: [] });
    const { output } = await runCommand(['config', '--json'], { PORT: 'x', FLEETLM_PORT: '1' });
    // On stderr, which this terminal joins to it, follows what a person reads.
    const { problems, unknown } = JSON.parse(output.slice(0, output.indexOf('\n}\n') + 2));
    expect(problems).toEqual(['PORT must be an integer from 0 to 65535 (it is "x")']);
    expect(unknown).toEqual([{ name: 'FLEETLM_PORT', nearest: 'PORT' }]);
  });

  test('names variables that nobody reads, and what was probably meant', async () => {
    const { code, output } = await runCommand(['config'], { FLEETLM_APEND_LANES: '3', FLEETLM_WEATHER: 'x' });
    expect(code).toBe(0);
    expect(output).toContain('\nFLEETLM_APEND_LANES is no variable of FleetLM: FLEETLM_APPEND_LANES is\n');
    expect(output).toContain('\nFLEETLM_WEATHER is no variable of FleetLM\n');
  });
});

test.each([
  ['FLEETLM_SHUTDOWN', 'FLEETLM_SHUTDOWN_MS'],
  ['FLEETLM_JWT_SECERT', 'FLEETLM_JWT_SECRET'],
  ['FLEETLM_JWT_SECRET_FIEL', 'FLEETLM_JWT_SECRET_FILE'],
  ['FLEETLM_DATABASE_URL', 'DATABASE_URL'],
  ['FLEETLM_LOG_LEVEL', 'LOG_LEVEL'],
  ['FLEETLM_AUTH_FILE', 'FLEETLM_AUTH'],
  ['FLEETLM_', null],
  ['FLEETLM_EVERYTHING_ELSE', null],
])('%s: %s was meant', (name, nearest) => {
  expect(findUnknownVariables({ [name]: '1' })).toEqual([{ name, nearest }]);
});

test('variables that are known, empty, or of others are not unknown', () => {
  const env = { FLEETLM_JWT_SECRET_FILE: '/run/x', DATABASE_URL_FILE: '/run/y', FLEETLM_X: '', PATH: '/bin' };
  expect(findUnknownVariables(env)).toEqual([]);
});

test.each([
  ['prot', 'port', null],
  ['portal', 'port', null],
  ['lanes-of-append', 'lanes-of-apend', 'lanes-of-apend'],
  ['lanes-of-append', 'lanes-fo-append', 'lanes-fo-append'],
  ['lanes-of-append', 'lanes-of-appender', 'lanes-of-appender'],
  ['lanes-of-append', 'lines-or-append', 'lines-or-append'],
  ['lanes-of-append', 'streams', null],
])('nearest to %s of %s: %s', (name, candidate, nearest) => {
  expect(nearestName(name, [candidate])).toBe(nearest);
});
