import { createRequire } from 'node:module';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { nodeFlags } from '@fleetlm/testkit';
import { forgetful } from './cold-joins.ts';
import { benchEnvironment } from './own-server.ts';

/** Where and how something was measured: figures without it mean little. */
export type Environment = Readonly<Record<string, unknown>>;

export interface RunSettings {
  readonly rounds: number;
  readonly seconds: number;
}

export function describeOwn(settings: RunSettings, postgres: string): Environment {
  return {
    ...describeMachine(settings),
    postgres,
    fleetlm: versionsOf(['../../packages/server'])['../../packages/server'],
    peers: versionsOf(['socket.io', 'ws', 'fastify']),
    node_flags: nodeFlags.join(' '),
    settings: benchEnvironment,
    settings_of_growth_and_cold_joins: forgetful,
    rate_limits: 'off',
  };
}

export function describeRemote(settings: RunSettings, url: string): Environment {
  return { ...describeMachine(settings), server: url };
}

function describeMachine({ rounds, seconds }: RunSettings): Environment {
  return {
    measured_at: new Date().toISOString(),
    node: process.version,
    system: `${process.platform} ${process.arch}, ${availableParallelism()} cores, ${cpus()[0]?.model ?? 'unknown CPU'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    rounds,
    seconds_each: seconds,
  };
}

function versionsOf(packages: readonly string[]): Readonly<Record<string, string>> {
  const require = createRequire(import.meta.url);
  return Object.fromEntries(packages.map((name) => [name, require(`${name}/package.json`).version]));
}
