/**
 * Why the server closes a socket, and what its client should do. Never 1000: phoenix 1.7 would not come back.
 */

interface CloseRow {
  /** The text of the close frame; null: it has none, or tells which frame was at fault. */
  readonly reason: string | null;
  readonly meaning: string;
  /** Whether the same client may succeed when it comes back, and when. */
  readonly comeBack: 'at once' | 'with a fresh token' | 'never' | 'after a pause';
}

const rows = {
  1001: { reason: 'disconnected', meaning: 'The server ended the connection', comeBack: 'at once' },
  1002: { reason: null, meaning: 'A frame broke the WebSocket protocol', comeBack: 'never' },
  1007: { reason: null, meaning: 'A text frame was malformed: not UTF-8, not JSON', comeBack: 'never' },
  1008: {
    reason: null,
    meaning:
      'The participant is disabled (`participant_disabled`), it went on after a hundred answers ' +
      '`rate_limited` (`rate_limited`), or a frame came in too many pieces',
    comeBack: 'after a pause',
  },
  1009: { reason: null, meaning: 'A frame was too large', comeBack: 'never' },
  1011: { reason: 'internal_error', meaning: 'A fault of the server', comeBack: 'at once' },
  1012: { reason: 'restart', meaning: 'The server stops', comeBack: 'at once' },
  4001: { reason: 'token_expired', meaning: 'The token is over', comeBack: 'with a fresh token' },
  4008: { reason: 'slow_consumer', meaning: 'The client reads too slowly', comeBack: 'at once' },
  4009: { reason: 'no_heartbeat', meaning: 'No frame came for too long', comeBack: 'at once' },
} as const satisfies Record<number, CloseRow>;

/** A code with which the server may close a socket. */
export type CloseCode = keyof typeof rows;

/** Every close code with its reason, its meaning, and what a client should do. */
export const closeCodes: Readonly<Record<CloseCode, CloseRow>> = rows;
