import type { ParticipantId } from '@fleetlm/protocol';

/** A call that lasts as long as a stream runs. */
export interface StreamExchange {
  /** Who may be disabled meanwhile; null: the service, for nobody. */
  readonly participantId: ParticipantId | null;
  readonly expiresAtMs: number | null;
  /** Ends it before its stream does; `why` is for operators. */
  cut(why: string): void;
  /** Called about every second. */
  sweep?(nowMs: number): void;
  /** The response is over. */
  left?(): void;
}
