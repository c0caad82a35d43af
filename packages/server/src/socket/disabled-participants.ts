import type { ParticipantId } from '@fleetlm/protocol';
import type { ParticipantDirectory } from '../conversation/participant-directory.ts';
import type { Log } from '../lib/log.ts';
import { PeriodicCheck } from '../runtime/periodic-check.ts';
import type { CloseReason } from './connection.ts';
import type { SocketServer } from './socket-server.ts';

interface StreamCallers {
  readonly participantIds: ReadonlySet<ParticipantId>;
  disconnect(participantId: ParticipantId): void;
}

interface DisabledParticipantsOptions {
  readonly sockets: Pick<SocketServer, 'participantIds' | 'disconnect'>;
  /** Who reads and writes streams without a socket. */
  readonly streams: StreamCallers;
  readonly directory: Pick<ParticipantDirectory, 'findDisabled' | 'listen'>;
  readonly log: Log;
  /** For tests: seconds are long. */
  readonly intervalMs?: number;
}

/** With the query's time still within the 5 s in which the directory notices what other nodes have changed. */
const defaultIntervalMs = 4_000;

/** Ids of one query, so that it stays a matter of milliseconds. */
const maxIdsPerQuery = 10_000;

const disabled: CloseReason = { code: 1008, reason: 'participant_disabled' };

/**
 * Closes the sockets and streams of participants that are disabled: at once when that was done on this node, at the next
 * check when it was done on another, or in the database itself. A check is one query for all who are connected;
 * one per socket or per frame would cost more, and would miss those who only listen.
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
    this.#options.directory.listen((id) => this.#disconnect(id));
    this.#checks.start();
  }

  stop(): Promise<void> {
    return this.#checks.stop();
  }

  async #check(): Promise<void> {
    const { sockets, streams, directory, log } = this.#options;
    const ids = [...new Set([...sockets.participantIds, ...streams.participantIds])];
    try {
      while (ids.length > 0) {
        for (const id of await directory.findDisabled(ids.splice(0, maxIdsPerQuery))) {
          this.#disconnect(id);
        }
      }
    } catch (error) {
      log.warn({ err: error }, 'disabled participants cannot be looked for');
    }
  }

  #disconnect(id: ParticipantId): void {
    const { sockets, streams } = this.#options;
    sockets.disconnect(id, disabled);
    streams.disconnect(id);
  }
}
