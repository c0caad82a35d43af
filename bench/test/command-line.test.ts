import { describe, expect, test } from 'vitest';
import { readCommandLine, usage } from '../src/command-line.ts';
import { allScenarios } from '../src/scenarios/all-scenarios.ts';

const theirs = ['--url', 'http://127.0.0.1:4000'];

/** What is run, with the scenarios by name. */
function read(args: readonly string[], env: Record<string, string> = {}) {
  const command = readCommandLine(args, env);
  if (command.kind !== 'run') throw new Error(`not run: ${JSON.stringify(command)}`);
  return { ...command, scenarios: command.scenarios.map(({ name }) => name) };
}

describe('what is run', () => {
  test('without arguments: everything, here', () => {
    expect(read([])).toEqual({
      kind: 'run',
      scenarios: allScenarios.map(({ name }) => name),
      url: null,
      secret: null,
      hasParticipants: false,
      rounds: 3,
      seconds: 5,
      jsonPath: null,
    });
  });

  test('the scenarios that are named, in the order of the table', () => {
    expect(read(['latency', 'append'])).toMatchObject({ scenarios: ['append', 'latency'] });
  });

  test('as often, and as long, as is said', () => {
    const args = ['--rounds', '7', '--seconds', '0.5', '--json', 'result.json'];
    expect(read(args)).toMatchObject({ rounds: 7, seconds: 0.5, jsonPath: 'result.json' });
  });

  test('elsewhere: what needs nothing but an address', () => {
    const portable = allScenarios.filter(({ runRemote }) => runRemote).map(({ name }) => name);
    expect(portable).toContain('append');
    expect(read(theirs)).toMatchObject({ scenarios: portable, url: theirs[1] });
    expect(read([...theirs, '--participants-exist', 'append'])).toMatchObject({
      scenarios: ['append'],
      hasParticipants: true,
    });
  });

  test('the secret, of the line or of the environment', () => {
    const env = { FLEETLM_JWT_SECRET: 'of the environment' };
    expect(read(theirs, env).secret).toBe('of the environment');
    expect(read([...theirs, '--jwt-secret', 'of the line'], env).secret).toBe('of the line');
    expect(read(theirs, { FLEETLM_JWT_SECRET: '' }).secret).toBeNull();
  });
});

test.each([
  [['nonsense'], 'the scenario "nonsense" is none; there are append, '],
  [[...theirs, 'join'], 'the scenario "join" does not go with --url; there are append, '],
  [['--url', 'ws://127.0.0.1'], '--url must be http://host:port, or https://'],
  [['--url', 'nonsense'], '--url must be http://host:port, or https://'],
  [['--rounds', '0'], '--rounds must be 1 or more, not "0"'],
  [['--rounds', '1.5'], '--rounds must be 1 or more, not "1.5"'],
  [['--seconds', '0'], '--seconds must be more than 0, and 240 at most, not "0"'],
  [['--seconds', '241'], '--seconds must be more than 0, and 240 at most, not "241"'],
  [['--seconds', ''], '--seconds must be more than 0, and 240 at most, not ""'],
  [['--nonsense'], "Unknown option '--nonsense'"],
])('%j is wrong', (args, problem) => {
  expect(readCommandLine(args, {})).toEqual({ kind: 'wrong', problem: expect.stringContaining(problem) });
});

test('--help wins, and tells of each scenario', () => {
  expect(readCommandLine(['--help', 'nonsense'], {})).toEqual({ kind: 'help' });
  for (const { name, summary } of allScenarios) {
    expect(usage).toContain(`  ${name.padEnd(9)}${summary}\n`);
  }
});
