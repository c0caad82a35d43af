import type { Config } from '../../config/config.ts';
import { type Listen, type ListenVariables, mainVariables, opsVariables } from '../../http/listen-error.ts';
import { requireFreePort } from '../../http/require-free-port.ts';
import { type Check, checksOf } from './check.ts';

const { ok, fail } = checksOf('port');

/** Readiness takes a second at most. */
const healthTimeoutMs = 3_000;

/** Whether a start could listen, or the FleetLM that does already is well. */
export async function checkPorts({ listen, ops }: Pick<Config, 'listen' | 'ops'>): Promise<readonly Check[]> {
  return Promise.all([
    checkPort(listen, mainVariables),
    ...(ops === null ? [] : [checkPort(ops, opsVariables)]),
  ]);
}

async function checkPort(listen: Listen, variables: ListenVariables): Promise<Check> {
  const { host, port } = listen;
  if (port === 0) return ok(`${variables.port}=0 takes a free one`);
  try {
    await requireFreePort(listen, variables);
    return ok(`${port} of ${host} is free: no FleetLM runs here`);
  } catch (error) {
    if (codeOf(error) === 'EADDRINUSE') return checkWhoListens(listen, variables);
    return fail((error as Error).message, `correct ${variables.host} or ${variables.port}`);
  }
}

async function checkWhoListens({ host, port }: Listen, variables: ListenVariables): Promise<Check> {
  const health = await askHealth(`http://${toReachable(host)}:${port}/health/ready`);
  if (health === null) {
    return fail(
      `${port} of ${host} is taken, and not by a FleetLM that answers`,
      `stop what listens there, or set ${variables.port} to another port`,
    );
  }
  if (health.status === 'ready') return ok(`a FleetLM serves on ${port}, and is ready`);
  const reasons = (health.reasons ?? []).join('; ');
  return fail(`the FleetLM on ${port} is not ready: ${reasons}`, 'see docs/operations.md, “By night”');
}

interface Health {
  readonly status: string;
  readonly reasons?: readonly string[];
}

/** What a FleetLM says of itself; null: it is none, or does not answer. */
async function askHealth(url: string): Promise<Health | null> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(healthTimeoutMs), redirect: 'error' });
    const health = (await response.json()) as Health;
    return health.status === 'ready' || health.status === 'not_ready' ? health : null;
  } catch {
    return null;
  }
}

/** Where a server that listens everywhere can be asked. */
function toReachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

function codeOf(error: unknown): string | undefined {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
}
