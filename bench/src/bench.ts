import { open, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { chatServer, RefusedCall } from './chat-server.ts';
import { type RunCommand, readCommandLine, usage } from './command-line.ts';
import { describeError } from './describe-error.ts';
import { describeOwn, describeRemote } from './environment.ts';
import { startOwnServer } from './own-server.ts';
import { type BenchPostgres, startPostgres } from './postgres.ts';
import { describeReport, type Report, toJson } from './report.ts';
import { runScenarios } from './run-scenarios.ts';
import { type OwnParts, openOwnStage, openStage } from './stage.ts';

/** What the command has of its process. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  /** Its reason is a signal: all ends, and what was measured is told. */
  readonly interruption: AbortSignal;
}

/** Where servers and their Postgres come from; tests have cheaper ones. */
export interface Sources {
  readonly startPostgres: () => Promise<BenchPostgres>;
  readonly startServer: OwnParts['startServer'];
}

/** 64 and 69 as in sysexits.h; a signal adds its number to 128, as shells do. */
const exitCodes = { incomplete: 1, usage: 64, unavailable: 69, signal: 128 };

/** `npm run bench`. Returns the exit code. */
export async function bench(
  args: readonly string[],
  terminal: Terminal,
  sources: Sources = { startPostgres, startServer: startOwnServer },
): Promise<number> {
  const command = readCommandLine(args, terminal.env);
  switch (command.kind) {
    case 'help':
      terminal.stdout.write(usage);
      return 0;
    case 'wrong':
      return complain(terminal, `${command.problem}. See --help`, exitCodes.usage);
    case 'run':
      return run(command, terminal, sources);
    default:
      return command satisfies never;
  }
}

async function run(command: RunCommand, terminal: Terminal, sources: Sources): Promise<number> {
  const problem = await findProblemWith(command.jsonPath);
  if (problem !== null) return complain(terminal, problem, exitCodes.usage);
  return command.url === null
    ? runHere(command, terminal, sources)
    : runThere(command, command.url, terminal);
}

async function runHere(command: RunCommand, terminal: Terminal, sources: Sources): Promise<number> {
  const { interruption } = terminal;
  const starting = await sources.startPostgres().catch((error: unknown) => describeError(error));
  if (typeof starting === 'string') {
    if (interruption.aborted) return signalCode(interruption);
    return complain(terminal, `Postgres cannot be started: ${starting}`, exitCodes.unavailable);
  }
  await using postgres = starting;
  interruption.addEventListener('abort', () => postgres[Symbol.asyncDispose]());
  const outcome = await runScenarios({
    ...command,
    ...terminalOf(terminal),
    run: (scenario, { started, progress }) =>
      scenario.run(openOwnStage({ ...command, progress }, started, { postgres, ...sources })),
  });
  return finish(command, terminal, { environment: describeOwn(command, postgres.description), ...outcome });
}

async function runThere(command: RunCommand, url: string, terminal: Terminal): Promise<number> {
  const server = chatServer({ ...command, url, pid: null });
  try {
    await server.sessions(1);
  } catch (error) {
    return complain(terminal, describeRefusal(command, url, error), exitCodes.unavailable);
  }
  const outcome = await runScenarios({
    ...command,
    ...terminalOf(terminal),
    run: (scenario, { started, progress }) =>
      scenario.runRemote!(openStage({ ...command, progress }, started), server),
  });
  return finish(command, terminal, { environment: describeRemote(command, url), ...outcome });
}

function terminalOf({ stderr, interruption }: Terminal) {
  return { interruption, progress: (text: string) => stderr.write(`${text}\n`) };
}

/** Tells what was measured, whatever has become of the rest. */
async function finish({ jsonPath }: RunCommand, terminal: Terminal, report: Report): Promise<number> {
  if (report.results.length > 0) terminal.stdout.write(`${describeReport(report)}\n`);
  const isWritten = jsonPath === null || (await write(jsonPath, report, terminal));
  const { aborted, reason } = terminal.interruption;
  if (aborted) return complain(terminal, `interrupted by ${reason}`, signalCode(terminal.interruption));
  for (const { scenario, reason } of report.failures) complain(terminal, `${scenario} failed: ${reason}`);
  return isWritten && report.failures.length === 0 ? 0 : exitCodes.incomplete;
}

async function write(path: string, report: Report, terminal: Terminal): Promise<boolean> {
  try {
    await writeFile(path, toJson(report));
    return true;
  } catch (error) {
    complain(terminal, `${path} cannot be written: ${describeError(error)}`);
    return false;
  }
}

/** Sooner than after many minutes. */
async function findProblemWith(jsonPath: string | null): Promise<string | null> {
  if (jsonPath === null) return null;
  try {
    await (await open(jsonPath, 'a')).close();
    return null;
  } catch (error) {
    return `--json: ${describeError(error)}`;
  }
}

function describeRefusal({ secret }: RunCommand, url: string, error: unknown): string {
  const isUnauthorized = error instanceof RefusedCall && error.status === 401;
  if (!isUnauthorized) return `no session can be made at ${url}: ${describeError(error)}`;
  if (secret === null)
    return `${url} wants tokens: give its secret in FLEETLM_JWT_SECRET, or with --jwt-secret`;
  return `${url} takes no token that this secret signs; is it the FLEETLM_JWT_SECRET of that server?`;
}

function signalCode({ reason }: AbortSignal): number {
  return exitCodes.signal + constants.signals[reason as NodeJS.Signals];
}

function complain({ stderr }: Terminal, problem: string, code = exitCodes.incomplete): number {
  stderr.write(`bench: ${problem}\n`);
  return code;
}
