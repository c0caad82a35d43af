import type { ChatServer } from './chat-server.ts';
import type { BenchPostgres } from './postgres.ts';
import type { Row } from './row.ts';

/** What a scenario has to work with. */
export interface Stage {
  /** How often everything is measured; what is compared takes turns. */
  readonly rounds: number;
  /** How long one measurement of a rate takes. */
  readonly seconds: number;
  readonly postgres: BenchPostgres;
  /** Says what is going on, to somebody who waits. */
  readonly progress: (text: string) => void;
}

/** The same for somebody else's server, of which there is nothing but its address. */
export interface RemoteStage extends Pick<Stage, 'rounds' | 'seconds' | 'progress'> {
  readonly server: ChatServer;
}

/** One part of the bench: measures, and compares with a limit or a peer in the same run. */
export interface Scenario {
  readonly name: string;
  /** A line for `--help`. */
  readonly summary: string;
  run(stage: Stage): Promise<readonly Row[]>;
  /** Its figures alone, of a server that `--url` names; without it the scenario needs a server of its own. */
  readonly runRemote?: (stage: RemoteStage) => Promise<readonly Row[]>;
}
