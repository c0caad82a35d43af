import { type Command, readCommandLine } from './cli/command-line.ts';
import { type DatabaseCommand, runDatabaseCommand } from './cli/database-commands.ts';
import { runServer } from './cli/run-server.ts';
import { runTokenCommand } from './cli/token-command.ts';
import { type Config, ConfigError, parseConfig } from './config/config.ts';
import { unreachable } from './lib/unreachable.ts';
import { createLogger } from './observability/logger.ts';

/** Exit codes of sysexits.h: wrong usage, wrong configuration. */
const exitCodes = { usage: 64, config: 78 };

/** The `fleetlm` command. Sets the exit code; the process ends when nothing is left to do. */
export async function main(args: readonly string[]): Promise<void> {
  const command = readCommandLine(args);
  if (command === null) {
    printError(`what is "fleetlm ${args.join(' ')}"? See fleetlm --help`);
    process.exitCode = exitCodes.usage;
    return;
  }
  try {
    await run(command);
  } catch (error) {
    printError(describe(error));
    process.exitCode = error instanceof ConfigError ? exitCodes.config : 1;
  }
}

async function run(command: Command): Promise<void> {
  if (command.kind === 'print') {
    print(command.text);
    return;
  }
  const config = parseConfig(process.env);
  switch (command.kind) {
    case 'start':
      return runServer(config, createLogger(config.log));
    case 'db':
      return runDatabase(command.command, config, command.yes);
    case 'token':
      return print(`${await runTokenCommand(command.options, config.auth)}\n`);
    default:
      return unreachable(command);
  }
}

async function runDatabase(command: DatabaseCommand, config: Config, yes: boolean): Promise<void> {
  if (command === 'reset' && !yes) {
    const where = config.database.url === null ? config.database.dataDir : 'the database of DATABASE_URL';
    throw new Error(
      `db reset deletes every message in ${where}: repeat it with --yes (npm run db:reset -- --yes)`,
    );
  }
  const log = createLogger({ level: 'warn' });
  await runDatabaseCommand(command, config, { log, say: (line) => print(`${line}\n`) });
}

function print(text: string): void {
  process.stdout.write(text);
}

function printError(text: string): void {
  process.stderr.write(`fleetlm: ${text}\n`);
}

/** Messages are written for people; the stack helps only when there is no message. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause.message : '';
  // Many messages hold what they are caused by.
  const addition = error.message.includes(cause) ? '' : `\n  because: ${cause}`;
  return `${error.message || error.stack}${addition}`;
}
