import { setTimeout as sleep } from 'node:timers/promises';
import { type Config, parseConfig } from '../../config/config.ts';
import type { Environment } from '../../config/read-variables.ts';
import { checkAuthentication } from './authentication-checks.ts';
import { type Check, checksOf } from './check.ts';
import { checkConfiguration } from './configuration-checks.ts';
import { checkDatabase } from './database-checks.ts';
import { checkEmbeddedPostgres } from './embedded-checks.ts';
import { checkMachine } from './machine-checks.ts';
import { checkPorts } from './port-checks.ts';

/** Each look has time-outs of its own, which are shorter: this is for what they do not cover. */
const timeoutMs = 8_000;

/**
 * Looks at everything that a start with this environment would need, and at what would weaken it. Changes nothing,
 * and is done within ten seconds. Without a valid configuration there is little to look at.
 */
export async function runDoctor(env: Environment): Promise<readonly Check[]> {
  const configuration = checkConfiguration(env);
  if (configuration.some(({ level }) => level === 'fail')) return configuration;
  const config = parseConfig(env);
  const isEmbedded = config.database.url === null;
  const looks = [
    inTime('authentication', checkAuthentication(config.auth)),
    inTime('database', isEmbedded ? checkEmbeddedPostgres(config) : checkDatabaseUrl(config)),
    inTime('ports', checkPorts(config)),
    inTime('machine', checkMachine(config)),
  ];
  return [...configuration, ...(await Promise.all(looks)).flat()];
}

function checkDatabaseUrl(config: Config): Promise<readonly Check[]> {
  return checkDatabase({ connectionString: config.database.url! }, config);
}

/** A look that fails, or takes too long, is a finding like any other. */
async function inTime(subject: string, look: Promise<readonly Check[]>): Promise<readonly Check[]> {
  const { fail } = checksOf(subject);
  const tooLate = sleep(timeoutMs, [fail(`no answer within ${timeoutMs / 1_000} s`, 'try again')], {
    ref: false,
  });
  const failed = (error: unknown) => [fail(`this look failed: ${String(error)}`, 'report it as a bug')];
  return Promise.race([look.catch(failed), tooLate]);
}
