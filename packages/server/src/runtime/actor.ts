/**
 * Something with state of its own that lives while it is used: one active session, one active inbox. A
 * `Supervisor` makes, starts and ends it; it is temporary, its state comes back from Postgres.
 */
export interface Actor {
  /** Loads its state. A rejection means that it never ran. */
  start(): Promise<void>;
  /** Whether it has nothing to do, and nobody to do it for. */
  readonly isIdle: boolean;
  /** Ends it in order. Called once, after it has left the registry. */
  stop(): void;
  /** It failed: tells everybody who depends on it. Called instead of `stop`. */
  crashed(error: unknown): void;
}
