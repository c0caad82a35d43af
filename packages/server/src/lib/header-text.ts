const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The text of a header whose bytes are UTF-8, or null when they are not. Node hands each byte over as one
 * latin1 character, so that `é` comes as `Ã©`.
 */
export function decodeHeaderText(value: string): string | null {
  try {
    return utf8.decode(Buffer.from(value, 'latin1'));
  } catch {
    return null;
  }
}
