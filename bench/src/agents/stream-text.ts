import { createHash } from 'node:crypto';

/** What the message that wakes an agent asks of it, in its content. */
export interface StreamOrder {
  readonly chunks: number;
  readonly per_second: number;
}

/** A piece of a stream's text: its number, and when its agent has written it. */
export interface Token {
  readonly index: number;
  readonly writtenMs: number;
}

const pattern = /(\d+)@([\d.]+) /g;

/** Milliseconds of a clock that all processes of a machine share, and that nobody sets. */
export function sharedNowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** The text of one chunk, written now. */
export function writeToken(index: number): string {
  return `${index}@${sharedNowMs().toFixed(2)} `;
}

/** The tokens of a delta, of which the server may have joined several. */
export function readTokens(delta: string): Token[] {
  return Array.from(delta.matchAll(pattern), ([, index, ms]) => ({
    index: Number(index),
    writtenMs: Number(ms),
  }));
}

/** The end of a text, which says what stands before it: who has it whole, has what was sent. */
export function sealOf(text: string): string {
  return `=${createHash('sha256').update(text).digest('hex')}`;
}

export function isWhole(text: string): boolean {
  const at = text.lastIndexOf('=');
  return at !== -1 && text.slice(at) === sealOf(text.slice(0, at));
}
