import { expect, test } from 'vitest';
import { runCommand } from './command-fixture.ts';

test('--help tells the commands, --version the version', async () => {
  const [help, version] = [await runCommand(['--help']), await runCommand(['-v'])];
  expect(help).toMatchObject({ code: 0, output: expect.stringContaining('Usage: fleetlm <command>') });
  expect(version).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});

test.each([[[]], [['agent']]])(
  '%j --help says how a command is run, in a clone and elsewhere',
  async (args) => {
    const { output } = await runCommand([...args, '--help']);
    const line = ['npx', 'fleetlm', ...args].join(' ');
    expect(output).toContain(`A command is run as ${line} `);
  },
);

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

const commands = 'start, db, config, doctor, token, agent';

test.each([
  ['fly', `"fly" is no command (known: ${commands})`],
  ['strat', `"strat" is no command; did you mean start? (known: ${commands})`],
  ['start db', '"db" is one argument too many: fleetlm start'],
  ['--fly', '"--fly" is no option of start (known: none)'],
  ['start --json', '"--json" is no option of start (known: none)'],
  ['config all', '"all" is one argument too many: fleetlm config'],
  ['config --jsno', '"--jsno" is no option of config; did you mean --json? (known: --json)'],
  ['doctor --json=yes', '--json takes no value'],
  ['doctor -y', '"-y" is no option of doctor (known: --json)'],
  ['db', 'db needs a command: create, migrate, seed, setup, reset'],
  [
    'db migrat',
    '"migrat" is no command of db; did you mean migrate? (known: create, migrate, seed, setup, reset)',
  ],
  ['db reset all', '"all" is one argument too many: fleetlm db reset'],
  ['token user:a', '"user:a" is one argument too many: fleetlm token'],
  ['token --toString', '"--toString" is no option of token (known: --sub, --role, --ttl)'],
  ['token --sub', '--sub needs a value'],
  ['token --sub --role', '--sub needs a value; one that begins with a dash is written --sub=…'],
  ['token', 'token needs --sub with a participant id, as --sub user:alice'],
])('what makes no sense ends with 64, and names what is wrong: %s', async (line, problem) => {
  expect(await runCommand(line.split(' '))).toEqual({
    code: 64,
    output: `fleetlm: ${problem}\n  see fleetlm --help\n`,
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
