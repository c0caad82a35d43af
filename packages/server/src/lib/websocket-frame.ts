const finAndText = 0x81;
const finAndPong = 0x8a;

/**
 * A whole, unmasked, final text frame (RFC 6455, 5.2) holding `text`. Server frames carry no mask, so the same
 * bytes can be written to any number of sockets.
 */
export function encodeTextFrame(text: string): Buffer {
  const size = Buffer.byteLength(text);
  const headerSize = size < 126 ? 2 : size < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(headerSize + size);
  frame[0] = finAndText;
  if (headerSize === 2) {
    frame[1] = size;
  } else if (headerSize === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(size, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(size), 2);
  }
  frame.write(text, headerSize, 'utf8');
  return frame;
}

/** The answer to a ping: a control frame, whose payload is at most 125 bytes. */
export function encodePongFrame(payload: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(finAndPong, payload.length), payload]);
}
