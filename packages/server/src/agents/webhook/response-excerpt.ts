/** As much of an answer as is kept: an error's message fits, a page does not. */
export const maxExcerptBytes = 1 << 10;

/** Control characters, line and direction marks, lone surrogates, what was no UTF-8: nothing that a log could obey. */
const notPrintable = /[\p{C}\p{Zl}\p{Zp}\ufffd\s]+/gu;

/** The beginning of an answer as one printable line. */
export function toExcerpt(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes.subarray(0, maxExcerptBytes));
  return text.replace(notPrintable, ' ').trim();
}
