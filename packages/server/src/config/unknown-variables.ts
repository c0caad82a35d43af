import { nearestName } from '../lib/nearest-name.ts';
import type { Environment, Variable } from './read-variables.ts';
import { variables } from './variables.ts';

/** A variable that looks like one of FleetLM's, and is read by nobody. */
export interface UnknownVariable {
  readonly name: string;
  /** What was probably meant. */
  readonly nearest: string | null;
}

const prefix = 'FLEETLM_';

const known = Object.entries<Variable<unknown>>(variables).flatMap(([name, { secret }]) =>
  secret ? [name, `${name}_FILE`] : [name],
);

/** The `FLEETLM_…` variables that FleetLM does not know: mistyped, or of another version. */
export function findUnknownVariables(env: Environment): UnknownVariable[] {
  const names = Object.keys(env).filter((name) => name.startsWith(prefix) && env[name] !== '');
  return names
    .filter((name) => !known.includes(name))
    .map((name) => ({ name, nearest: meant(name) }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

export function describeUnknown({ name, nearest }: UnknownVariable): string {
  return `${name} is no variable of FleetLM${nearest === null ? '' : `: ${nearest} is`}`;
}

/** `FLEETLM_PORT` for `PORT`, and `…_FILE` of what is no secret, are further away than a typing error. */
function meant(name: string): string | null {
  const guesses = [name.slice(prefix.length), name.replace(/_FILE$/, '')];
  return guesses.find((guess) => known.includes(guess)) ?? nearestName(name, known);
}
