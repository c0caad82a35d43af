import { readAgents } from './agent-settings.ts';
import { authMode } from './auth-settings.ts';
import { ConfigError, parseConfig } from './config.ts';
import { readRates } from './rates.ts';
import { type Environment, readVariables, type Variable } from './read-variables.ts';
import { findUnknownVariables, type UnknownVariable } from './unknown-variables.ts';
import { type Values, variables } from './variables.ts';

/** One variable as a server with this environment has it. */
interface Setting {
  readonly name: string;
  /** `***` for a secret, however long; null when it is not set and has no default. */
  readonly value: string | null;
  readonly source: 'environment' | 'file' | 'default';
}

export interface SettingsReport {
  readonly settings: readonly Setting[];
  /** Why a start with this environment would be refused. */
  readonly problems: readonly string[];
  readonly unknown: readonly UnknownVariable[];
}

/** Every variable with its value and where that comes from. Secrets are not in it. */
export function reportSettings(env: Environment): SettingsReport {
  const { values } = readVariables(variables, env);
  const chosen = chosenDefaults(values);
  const settings = Object.entries<Variable<unknown>>(variables).map(([name, variable]) => ({
    name,
    ...(readSource(name, variable, env) ?? {
      value: chosen[name] ?? (variable.shownDefault || null),
      source: 'default' as const,
    }),
  }));
  return { settings, problems: findProblems(env), unknown: findUnknownVariables(env) };
}

/** What is wrong with an environment; nothing: a server could start with it. */
export function findProblems(env: Environment): readonly string[] {
  try {
    parseConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

/** Null when neither is set. Of a secret that is set twice, which is refused, the file is named. */
function readSource(
  name: string,
  { secret }: Variable<unknown>,
  env: Environment,
): Omit<Setting, 'name'> | null {
  if (secret && env[`${name}_FILE`]) return { value: '***', source: 'file' };
  const text = env[name];
  return text ? { value: secret ? '***' : text, source: 'environment' } : null;
}

/** Defaults that depend on other variables. */
function chosenDefaults(values: Values): Readonly<Record<string, string>> {
  const { messages, frames, handshakes } = readRates(values);
  return {
    FLEETLM_AUTH: authMode(values),
    FLEETLM_AGENT_ALLOW_LOOPBACK: readAgents(values).guard.allowLoopback ? '1' : '0',
    FLEETLM_RATE_MESSAGES: String(messages?.perSecond ?? 0),
    FLEETLM_RATE_FRAMES: String(frames?.perSecond ?? 0),
    FLEETLM_RATE_HANDSHAKES: String(handshakes?.perSecond ?? 0),
  };
}
