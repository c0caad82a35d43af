import type { Config } from '../../config/config.ts';
import { type Check, checksOf } from './check.ts';
import { connectionsToPostgres } from './connection-budget.ts';

const { ok, warn, fail } = checksOf('machine');

/** Files beside connections: the program, its log, the event loop. */
const otherFiles = 64;

/** Fewer serve a handful of people, and then nobody, since not even a log line can be written. */
const fewestFiles = 1_024;

/** What the process may use of its machine. */
export async function checkMachine(config: Config): Promise<readonly Check[]> {
  return [judgeFileLimit(readFileLimit(), config)];
}

/** Every connection is an open file. */
export function judgeFileLimit(
  limit: number | null,
  config: Pick<Config, 'http' | 'append' | 'database'>,
): Check {
  if (limit === null) return ok('as many files as it takes may be open');
  const { maxConnections } = config.http;
  const needed = maxConnections + connectionsToPostgres(config) + otherFiles;
  const finding = `${limit} files may be open, and FLEETLM_MAX_CONNECTIONS=${maxConnections} needs ${needed}`;
  if (limit >= needed) return ok(finding);
  const remedy = `raise the limit (ulimit -n, or LimitNOFILE of the systemd unit), or set FLEETLM_MAX_CONNECTIONS to ${Math.max(1, limit - needed + maxConnections)} or less`;
  return limit < fewestFiles ? fail(finding, remedy) : warn(finding, remedy);
}

/** `ulimit -n` of this process; Node has raised it to what the system allows. Null: there is none, or on Windows. */
function readFileLimit(): number | null {
  // Looking up the names of open connections takes seconds on a machine without a network.
  Object.assign(process.report, { excludeNetwork: true });
  const report = process.report.getReport() as { userLimits?: { open_files?: { soft: unknown } } };
  const limit = report.userLimits?.open_files?.soft;
  return typeof limit === 'number' ? limit : null;
}
