import { startAgents } from './agents/start-agents.ts';
import { LoadProcess } from './load/load-process.ts';
import type { LoadName, OrderOf, ResultOf, RunOf } from './load/loads.ts';
import { type CpuUse, measureCpu } from './measure-cpu.ts';
import type { OwnServer } from './own-server.ts';
import { type PeerName, type PeerServer, startPeer } from './peers/peer-server.ts';
import type { BenchDatabase, BenchPostgres } from './postgres.ts';
import type { ListeningProcess } from './spawn-listening.ts';
import type { StartedProcesses } from './started-processes.ts';

export interface StageSettings {
  /** How often everything is measured; what is compared takes turns. */
  readonly rounds: number;
  /** How long one measurement of a rate takes. */
  readonly seconds: number;
  /** Says what is going on, to somebody who waits. */
  readonly progress: (text: string) => void;
}

/** What a scenario has to work with, whosever server it measures. */
export interface Stage extends StageSettings {
  /** Before the first round: V8 compiles, Postgres fills its caches. */
  readonly warmUpSeconds: number;
  openLoad<Name extends LoadName>(name: Name, order: OrderOf<Name>): Promise<LoadProcess<Name>>;
}

/** The same with servers of its own, and all that they are compared with. */
export interface OwnStage extends Stage {
  readonly postgres: BenchPostgres;
  startServer(database: BenchDatabase, env?: Readonly<Record<string, string>>): Promise<OwnServer>;
  startPeer(name: PeerName, env?: Readonly<Record<string, string>>): Promise<PeerServer>;
  startAgents(): Promise<ListeningProcess>;
  /** Runs a load once, and tells what CPU it took of the server, of Postgres, and of the load. */
  measure<Name extends LoadName>(
    server: { readonly pid: number | null },
    load: LoadProcess<Name>,
    order: RunOf<Name>,
  ): Promise<ResultOf<Name> & { readonly cpu: CpuUse }>;
}

/** What servers of one's own are made of; tests have cheaper ones. */
export interface OwnParts {
  readonly postgres: BenchPostgres;
  readonly startServer: OwnStage['startServer'];
}

/** No scenario gets faster after this. */
const maxWarmUpSeconds = 2;

export function openStage(settings: StageSettings, started: StartedProcesses): Stage {
  return {
    ...settings,
    warmUpSeconds: Math.min(settings.seconds, maxWarmUpSeconds),
    openLoad: (name, order) => started.add(LoadProcess.open(name, order)),
  };
}

export function openOwnStage(
  settings: StageSettings,
  started: StartedProcesses,
  { postgres, startServer }: OwnParts,
): OwnStage {
  return {
    ...openStage(settings, started),
    postgres,
    startServer: (database, env) => started.add(startServer(database, env)),
    startPeer: (name, env) => started.add(startPeer(name, env)),
    startAgents: () => started.add(startAgents()),
    measure: (server, load, order) =>
      measureCpu({ server: server.pid, postgres: postgres.pid, generator: load.pid }, () => load.run(order)),
  };
}
