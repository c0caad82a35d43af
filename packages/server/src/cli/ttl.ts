const unitSeconds = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** A token cannot be called back: whoever needs one for longer than this means for ever. */
const maxSeconds = 365 * unitSeconds.d;

/** The seconds in a time like `30s`, `15m`, `1h` or `7d`, from a second to a year; null for anything else. */
export function parseTtl(text: string): number | null {
  const match = /^(\d{1,9})([smhd])$/.exec(text);
  if (match === null) return null;
  const seconds = Number(match[1]) * unitSeconds[match[2] as keyof typeof unitSeconds];
  return seconds >= 1 && seconds <= maxSeconds ? seconds : null;
}
