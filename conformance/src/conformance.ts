import { randomBytes } from 'node:crypto';
import { allCases } from './all-cases.ts';
import type { Entry } from './case.ts';
import { type RunCommand, readCommandLine, usage } from './command-line.ts';
import { type Identity, noAuthentication, TokenIdentity } from './identity.ts';
import { count, describeResult, summarize, toJson } from './report.ts';
import { describeFailure, runCases } from './run-cases.ts';
import { Subject } from './subject.ts';
import { type Settings, Target } from './target.ts';

/** Exit codes of sysexits.h, beside 1 for a case that failed. */
const exitCodes = { usage: 64, unavailable: 69 };

/** Few, so that a server that is used by others does not notice; enough to hide the way to one that is far. */
const concurrency = 4;

const lockedOut =
  'does not let the suite in: give --jwt-secret if it checks tokens, or --no-auth if it does not';

/** What the command has of its process. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/** `npm run conformance`. Returns the exit code. */
export async function conformance(args: readonly string[], terminal: Terminal): Promise<number> {
  const command = readCommandLine(args, terminal.env);
  switch (command.kind) {
    case 'help':
      terminal.stdout.write(usage);
      return 0;
    case 'wrong':
      terminal.stderr.write(`conformance: ${command.problem}. See --help\n`);
      return exitCodes.usage;
    case 'run':
      if (chooseCases(command).length === 0) {
        terminal.stderr.write(`conformance: no case holds "${command.filter}". See --help\n`);
        return exitCodes.usage;
      }
      return command.url === null ? runOnOwnServer(command, terminal) : run(command, command.url, terminal);
    default:
      return command satisfies never;
  }
}

async function runOnOwnServer(command: RunCommand, terminal: Terminal): Promise<number> {
  // Only here: a suite that tests somebody else's server needs none of its own.
  const { startOwnServer } = await import('./own-server.ts');
  const secret = command.isNoAuth ? null : (command.secret ?? randomBytes(32).toString('hex'));
  await using server = await startOwnServer(secret);
  return await run({ ...command, secret, ...server.settings }, server.url, terminal);
}

async function run(
  command: RunCommand & Partial<Settings>,
  url: string,
  terminal: Terminal,
): Promise<number> {
  const { isJson } = command;
  const target = new Target(url, identityOf(command), command);
  const problem = await findUnreachable(target);
  if (problem !== null) {
    terminal.stderr.write(`conformance: ${url} ${problem}\n`);
    return exitCodes.unavailable;
  }
  const results = await runCases(chooseCases(command), target, {
    concurrency,
    onResult: (result) => {
      if (!isJson) terminal.stdout.write(describeResult(result));
    },
  });
  terminal.stdout.write(isJson ? toJson(url, results) : summarize(results));
  return count(results).failed === 0 ? 0 : 1;
}

function chooseCases({ filter }: RunCommand): readonly Entry[] {
  return allCases.filter(({ id, title }) => `${id} ${title}`.includes(filter));
}

/** Why nothing can be tested there, or null. */
async function findUnreachable(target: Target): Promise<string | null> {
  await using subject = new Subject(target);
  try {
    const { status } = await subject.call('GET', '/api/sessions?limit=1');
    return status === 401 || status === 403 ? lockedOut : null;
  } catch (error) {
    return `cannot be reached: ${describeFailure(error).join(' ')}`;
  }
}

function identityOf({ secret, issuer, audience }: RunCommand): Identity {
  return secret === null ? noAuthentication : new TokenIdentity({ secret, issuer, audience });
}
