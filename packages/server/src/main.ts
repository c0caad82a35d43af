import { runAgentCommand } from './cli/agent/run-agent-command.ts';
import { type Command, readCommandLine } from './cli/command-line.ts';
import { runConfigCommand } from './cli/config-command.ts';
import { type DatabaseCommand, runDatabaseCommand } from './cli/database-commands.ts';
import { renderChecks } from './cli/doctor/render-checks.ts';
import { runDoctor } from './cli/doctor/run-doctor.ts';
import { runServer } from './cli/run-server.ts';
import { runTokenCommand } from './cli/token-command.ts';
import { UsageError } from './cli/usage-error.ts';
import { type Config, ConfigError, parseConfig } from './config/config.ts';
import { describeUnknown, findUnknownVariables } from './config/unknown-variables.ts';
import { unreachable } from './lib/unreachable.ts';
import { createLogger } from './observability/logger.ts';

/** Exit codes of sysexits.h: wrong usage, wrong configuration. */
const exitCodes = { usage: 64, config: 78 };

/** What a command has of its process. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Output;
  readonly stderr: Output;
  exitCode?: NodeJS.Process['exitCode'];
}

interface Output {
  write(text: string): unknown;
}

/** The `fleetlm` command. Sets the exit code; the process ends when nothing is left to do. */
export async function main(args: readonly string[], terminal: Terminal = process): Promise<void> {
  try {
    await run(readCommandLine(args), terminal);
  } catch (error) {
    const help = args[0] === 'agent' ? 'fleetlm agent --help' : 'fleetlm --help';
    printError(terminal, error instanceof UsageError ? `${error.message}\n  see ${help}` : describe(error));
    terminal.exitCode = exitCodeOf(error);
  }
}

function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return exitCodes.usage;
  return error instanceof ConfigError ? exitCodes.config : 1;
}

async function run(command: Command, terminal: Terminal): Promise<void> {
  if (command.kind === 'print') {
    terminal.stdout.write(command.text);
    return;
  }
  if (command.kind === 'config') return printConfig(command.isJson, terminal);
  if (command.kind === 'doctor') return consultDoctor(command.isJson, terminal);
  const config = parseConfig(terminal.env);
  switch (command.kind) {
    case 'start':
      return start(config, terminal);
    case 'db':
      return runDatabase(command, config, terminal);
    case 'agent':
      if (!(await runAgentCommand(command.command, config, terminal.stdout))) terminal.exitCode = 1;
      return;
    case 'token':
      terminal.stdout.write(`${await runTokenCommand(command.options, config.auth)}\n`);
      return;
    default:
      return unreachable(command);
  }
}

function start(config: Config, { env }: Terminal): Promise<void> {
  const log = createLogger(config.log);
  for (const variable of findUnknownVariables(env)) log.warn(variable, describeUnknown(variable));
  return runServer(config, log);
}

function printConfig(isJson: boolean, { env, stdout }: Terminal): void {
  const { text, problems } = runConfigCommand(env, isJson);
  stdout.write(text);
  if (problems.length > 0) throw new ConfigError(problems);
}

async function consultDoctor(isJson: boolean, terminal: Terminal): Promise<void> {
  const checks = await runDoctor(terminal.env);
  terminal.stdout.write(`${isJson ? JSON.stringify({ checks }, null, 2) : renderChecks(checks)}\n`);
  if (checks.some(({ level }) => level === 'fail')) terminal.exitCode = 1;
}

async function runDatabase(
  { command, yes }: { command: DatabaseCommand; yes: boolean },
  config: Config,
  terminal: Terminal,
): Promise<void> {
  if (command === 'reset' && !yes) {
    const where = config.database.url === null ? config.database.dataDir : 'the database of DATABASE_URL';
    throw new Error(
      `db reset deletes every message in ${where}: repeat it with --yes (npm run db:reset -- --yes)`,
    );
  }
  const log = createLogger({ level: 'warn' });
  await runDatabaseCommand(command, config, { log, say: (line) => terminal.stdout.write(`${line}\n`) });
}

function printError(terminal: Terminal, text: string): void {
  terminal.stderr.write(`fleetlm: ${text}\n`);
}

/** Messages are written for people; the stack helps only when there is no message. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause.message : '';
  // Many messages hold what they are caused by.
  const addition = error.message.includes(cause) ? '' : `\n  because: ${cause}`;
  return `${error.message || error.stack}${addition}`;
}
