import { expect, test } from 'vitest';
import { runCommand } from './command-fixture.ts';

test('--help tells the commands, --version the version', async () => {
  const [help, version] = [await runCommand(['--help']), await runCommand(['-v'])];
  expect(help).toMatchObject({ code: 0, output: expect.stringContaining('Usage: fleetlm <command>') });
  expect(version).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});

test.each([['config'], ['doctor'], ['start'], ['token'], ['db', 'migrate']])(
  '%s --help lists every command',
  async (...args) => {
    const { code, output } = await runCommand([...args, '--help']);
    expect(code).toBe(0);
    for (const command of ['start', 'db migrate', 'config', 'doctor', 'token', '--json']) {
      expect(output).toContain(`  ${command}  `);
    }
  },
);

test.for([
  ['fly'],
  ['db', 'fly'],
  ['db'],
  ['start', 'db'],
  ['--fly'],
  ['config', 'all'],
  ['doctor', '--yes'],
  ['start', '--json'],
])('what nobody knows ends with 64: %j', async (args) => {
  expect(await runCommand(args)).toEqual({
    code: 64,
    output: `fleetlm: what is "fleetlm ${args.join(' ')}"? See fleetlm --help\n`,
  });
});

test.each([['start'], ['db', 'migrate']])(
  'a bad configuration ends with 78, and names every bad variable at once: %s',
  async (...args) => {
    const { code, output } = await runCommand(args, {
      PORT: 'http',
      LOG_LEVEL: 'loud',
      FLEETLM_APPEND_LANES: '0',
      FLEETLM_MIGRATE_AT_START: 'maybe',
      FLEETLM_FAILPOINTS: 'nowhere=kill',
      DATABASE_URL: 'me:secret@db/fleetlm',
    });
    expect(code).toBe(78);
    const named = [...output.matchAll(/^ {2}- (\w+) must be /gm)].map((match) => match[1]);
    expect(named.sort()).toEqual([
      'DATABASE_URL',
      'FLEETLM_APPEND_LANES',
      'FLEETLM_FAILPOINTS',
      'FLEETLM_MIGRATE_AT_START',
      'LOG_LEVEL',
      'PORT',
    ]);
    expect(output).not.toContain('secret');
  },
);
