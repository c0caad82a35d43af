import type { Environment } from '../../config/read-variables.ts';
import { findProblems } from '../../config/settings-report.ts';
import { findUnknownVariables } from '../../config/unknown-variables.ts';
import { type Check, checksOf } from './check.ts';

const { ok, warn, fail } = checksOf('configuration');

/** Variables that are wrong, unknown, or set for no server that matters. */
export function checkConfiguration(env: Environment): readonly Check[] {
  const problems = findProblems(env);
  return [
    ...problems.map((problem) => fail(problem, 'correct it; docs/configuration.md names every variable')),
    ...(problems.length === 0 ? [ok('every variable is valid')] : []),
    ...findUnknownVariables(env).map(({ name, nearest }) =>
      warn(`${name} is no variable of FleetLM`, nearest === null ? 'take it away' : `${nearest} was meant?`),
    ),
    ...(env['FLEETLM_FAILPOINTS'] ? [warnOfFailpoints(env['FLEETLM_FAILPOINTS'])] : []),
    ...(env['LOG_LEVEL'] === 'silent' ? [warn('LOG_LEVEL=silent: nothing will say why', 'use info')] : []),
  ];
}

function warnOfFailpoints(rules: string): Check {
  return warn(
    `FLEETLM_FAILPOINTS=${rules} provokes faults`,
    'take it away: it is for tests, and may kill the node',
  );
}
