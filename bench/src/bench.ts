import { writeFile } from 'node:fs/promises';
import { chatServer } from './chat-server.ts';
import { type RunCommand, readCommandLine, usage } from './command-line.ts';
import { describeOwn, describeRemote, type Environment } from './environment.ts';
import { startPostgres } from './postgres.ts';
import { describeResults, type ScenarioResult, toJson } from './report.ts';

/** Exit codes of sysexits.h. */
const exitCodes = { usage: 64, unavailable: 69 };

/** What the command has of its process. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/** `npm run bench`. Returns the exit code. */
export async function bench(args: readonly string[], terminal: Terminal): Promise<number> {
  const command = readCommandLine(args, terminal.env);
  switch (command.kind) {
    case 'help':
      terminal.stdout.write(usage);
      return 0;
    case 'wrong':
      terminal.stderr.write(`bench: ${command.problem}. See --help\n`);
      return exitCodes.usage;
    case 'run':
      return command.url === null ? runHere(command, terminal) : runThere(command, command.url, terminal);
    default:
      return command satisfies never;
  }
}

async function runHere(command: RunCommand, terminal: Terminal): Promise<number> {
  await using postgres = await startPostgres();
  const results: ScenarioResult[] = [];
  for (const { name, run } of command.scenarios) {
    const rows = await run({ ...command, postgres, progress: progressOn(terminal) });
    results.push({ scenario: name, rows });
  }
  await tell(command, describeOwn(command, postgres.version), results, terminal);
  return 0;
}

async function runThere(command: RunCommand, url: string, terminal: Terminal): Promise<number> {
  const server = chatServer({ ...command, url, pid: null });
  try {
    await server.sessions(1);
  } catch (error) {
    terminal.stderr.write(`bench: no session can be made at ${url}: ${describeError(error)}\n`);
    return exitCodes.unavailable;
  }
  const results: ScenarioResult[] = [];
  for (const { name, runRemote } of command.scenarios) {
    const rows = await runRemote!({ ...command, server, progress: progressOn(terminal) });
    results.push({ scenario: name, rows });
  }
  await tell(command, describeRemote(command, url), results, terminal);
  return 0;
}

async function tell(
  { jsonPath }: RunCommand,
  environment: Environment,
  results: readonly ScenarioResult[],
  { stdout }: Terminal,
): Promise<void> {
  if (jsonPath !== null) await writeFile(jsonPath, toJson(environment, results));
  stdout.write(`${describeResults(environment, results)}\n`);
}

function progressOn({ stderr }: Terminal): (text: string) => void {
  return (text) => stderr.write(`${text}\n`);
}

/** `fetch` hides why it failed. */
function describeError(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message} (${cause.message})` : message;
}
