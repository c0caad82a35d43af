import { parseArgs } from 'node:util';
import type { Scenario } from './scenario.ts';
import { allScenarios } from './scenarios/all-scenarios.ts';

/** What a command line asks for. */
export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly problem: string }
  | ({ readonly kind: 'run' } & RunCommand);

export interface RunCommand {
  readonly scenarios: readonly Scenario[];
  /** Null: servers of one's own. */
  readonly url: string | null;
  readonly secret: string | null;
  readonly hasParticipants: boolean;
  readonly rounds: number;
  readonly seconds: number;
  /** A file for the JSON; null: none is written. */
  readonly jsonPath: string | null;
}

export const usage = `How fast is FleetLM, beside its limits and its peers on this machine?

Usage: npm run bench -- [scenario …] [options]

Scenarios (all, if none is named: some 20 minutes, and some GB below TMPDIR):
${allScenarios.map(({ name, summary }) => `  ${name.padEnd(9)}${summary}`).join('\n')}

Options:
  --rounds <n>          how often everything is measured, in turn (default 3)
  --seconds <n>         how long one measurement of a rate takes (default 5, at most 240)
  --json <file>         writes all figures there, with versions and settings
  --url <url>           another server of the same protocol, as http://127.0.0.1:4000:
                        ${namesOf(isPortable)} only, without comparison
  --jwt-secret <text>   that server's FLEETLM_JWT_SECRET, to sign tokens with; also read
                        from the environment, where a list of processes does not show it
  --participants-exist  that server knows user:a1, user:b1, user:a2 … already, and has no
                        call to make them
  -h, --help            this text

Examples:
  npm run bench
  npm run bench -- append latency --rounds 5
  npm run bench -- append --url http://127.0.0.1:4000
  npm run --silent bench -- --json result.json > result.md

Servers, peers and Postgres run on this machine, in processes of their own, with data that
is thrown away; rate limits are off, and who joins cold finds nothing kept: all else is as it
comes. With --url what is sent stays there. Trust ratios, not times: they were measured in
turn. Nothing else should run beside it.

Ends with 0 when everything was measured, 1 when a scenario failed (the others are told), 64
on wrong usage, 69 when no server, or no Postgres, can be had, 130 after Ctrl-C (what was
measured is told). A target that is missed is a figure, and no failure.
`;

/** A load is given up when it says nothing for 300 s (`load-process.ts`): its last answers may be late. */
const maxSeconds = 240;

const options = {
  rounds: { type: 'string', default: '3' },
  seconds: { type: 'string', default: '5' },
  json: { type: 'string' },
  url: { type: 'string' },
  'jwt-secret': { type: 'string' },
  'participants-exist': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** Reads a command line; `env` may hold the secret. */
export function readCommandLine(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Command {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    if (values.help) return { kind: 'help' };
    const { url = null, 'jwt-secret': secret = env['FLEETLM_JWT_SECRET'] || null } = values;
    if (url !== null && !/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
      throw new Error('--url must be http://host:port, or https://');
    return {
      kind: 'run',
      scenarios: chooseScenarios(positionals, url !== null),
      url,
      secret,
      hasParticipants: values['participants-exist'],
      rounds: readCount('rounds', values.rounds),
      seconds: readSeconds(values.seconds),
      jsonPath: values.json ?? null,
    };
  } catch (error) {
    return { kind: 'wrong', problem: (error as Error).message };
  }
}

function chooseScenarios(names: readonly string[], isRemote: boolean): readonly Scenario[] {
  const usable = isRemote ? allScenarios.filter(isPortable) : allScenarios;
  const unknown = names.find((name) => !usable.some((scenario) => scenario.name === name));
  if (unknown !== undefined) {
    const why =
      isRemote && allScenarios.some(({ name }) => name === unknown) ? 'does not go with --url' : 'is none';
    throw new Error(
      `the scenario "${unknown}" ${why}; there are ${usable.map(({ name }) => name).join(', ')}`,
    );
  }
  return names.length === 0 ? usable : usable.filter(({ name }) => names.includes(name));
}

function readCount(name: string, text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new Error(`--${name} must be 1 or more, not "${text}"`);
  return count;
}

function readSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= maxSeconds))
    throw new Error(`--seconds must be more than 0, and ${maxSeconds} at most, not "${text}"`);
  return seconds;
}

function isPortable({ runRemote }: Scenario): boolean {
  return runRemote !== undefined;
}

function namesOf(predicate: (scenario: Scenario) => boolean): string {
  return allScenarios
    .filter(predicate)
    .map(({ name }) => name)
    .join(', ');
}
