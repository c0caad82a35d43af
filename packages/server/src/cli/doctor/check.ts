/** What one look found. */
export interface Check {
  /** `warn`: it works, and may not for long; `fail`: a start would be refused, or FleetLM cannot work. */
  readonly level: 'ok' | 'warn' | 'fail';
  /** What was looked at, in a word. */
  readonly subject: string;
  readonly finding: string;
  /** What to do. */
  readonly remedy: string | null;
}

/** The three ends of a look at one subject. */
export function checksOf(subject: string) {
  return {
    ok: (finding: string): Check => ({ level: 'ok', subject, finding, remedy: null }),
    warn: (finding: string, remedy: string): Check => ({ level: 'warn', subject, finding, remedy }),
    fail: (finding: string, remedy: string): Check => ({ level: 'fail', subject, finding, remedy }),
  };
}
