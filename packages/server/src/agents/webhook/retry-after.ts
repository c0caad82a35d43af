/** Longer nobody waits: a turn that waits holds up its session, and people can ask again. */
const maxRetryAfterMs = 60 * 60_000;

const seconds = /^\d{1,9}$/;
/** The one date format that may still be sent: `Sun, 06 Nov 1994 08:49:37 GMT`. */
const httpDate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** How long a `Retry-After` asks to wait, at most an hour; undefined when it says nothing that can be understood. */
export function parseRetryAfter(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  if (seconds.test(text)) return Math.min(Number(text) * 1_000, maxRetryAfterMs);
  if (!httpDate.test(text)) return undefined;
  const waitMs = Date.parse(text) - nowMs;
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, 0), maxRetryAfterMs);
}
