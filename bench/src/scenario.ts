import type { ChatServer } from './chat-server.ts';
import type { Row } from './row.ts';
import type { OwnStage, Stage } from './stage.ts';

/** One part of the bench: measures, and compares with a limit or a peer in the same run. */
export interface Scenario {
  readonly name: string;
  /** A line for `--help`. */
  readonly summary: string;
  run(stage: OwnStage): Promise<readonly Row[]>;
  /** Its figures alone, of a server that `--url` names; without it the scenario needs a server of its own. */
  readonly runRemote?: (stage: Stage, server: ChatServer) => Promise<readonly Row[]>;
}
