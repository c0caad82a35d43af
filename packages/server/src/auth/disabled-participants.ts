import type { ParticipantId } from '@fleetlm/protocol';
import type { ParticipantDirectory } from '../conversation/participant-directory.ts';
import type { Log } from '../lib/log.ts';
import { PeriodicCheck } from '../runtime/periodic-check.ts';

/** What lasts longer than the check of who began it: sockets, and calls that read or write a stream. */
export interface LongConnections {
  readonly participantIds: ReadonlySet<ParticipantId>;
  /** Closes all those of a participant, which may do nothing any more. */
  disabled(participantId: ParticipantId): void;
}

interface DisabledParticipantsOptions {
  readonly connections: readonly LongConnections[];
  readonly directory: Pick<ParticipantDirectory, 'findDisabled' | 'listen'>;
  readonly log: Log;
  /** For tests: seconds are long. */
  readonly intervalMs?: number;
}

/** With the query's time still within the 5 s in which the directory notices what other nodes have changed. */
const defaultIntervalMs = 4_000;

/** Ids of one query, so that it stays a matter of milliseconds. */
const maxIdsPerQuery = 10_000;

/**
 * Closes what participants that are disabled have open: at once when that was done on this node, at the next check when
 * it was done on another, or in the database itself. A check is one query for all who are connected; one per socket or
 * per frame would cost more, and would miss those who only listen.
 *
 * Started and stopped by `server.ts`.
 */
export class DisabledParticipants {
  readonly #options: DisabledParticipantsOptions;
  readonly #checks: PeriodicCheck;

  constructor(options: DisabledParticipantsOptions) {
    this.#options = options;
    this.#checks = new PeriodicCheck(() => this.#check(), options.intervalMs ?? defaultIntervalMs);
  }

  start(): void {
    this.#options.directory.listen((id) => this.#tell(id));
    this.#checks.start();
  }

  stop(): Promise<void> {
    return this.#checks.stop();
  }

  async #check(): Promise<void> {
    const { connections, directory, log } = this.#options;
    const ids = [...new Set(connections.flatMap(({ participantIds }) => [...participantIds]))];
    try {
      while (ids.length > 0) {
        for (const id of await directory.findDisabled(ids.splice(0, maxIdsPerQuery))) {
          this.#tell(id);
        }
      }
    } catch (error) {
      log.warn({ err: error }, 'disabled participants cannot be looked for');
    }
  }

  #tell(id: ParticipantId): void {
    for (const each of this.#options.connections) each.disabled(id);
  }
}
