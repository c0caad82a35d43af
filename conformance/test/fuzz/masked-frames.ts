import type { Act } from './frame-arbitraries.ts';

const opcodes = { text: 0x1, binary: 0x2, ping: 0x9 };

/** The bytes of an act: one frame, or as many as it is cut into. */
export function toFrames(act: Act): Buffer {
  if (act.kind === 'ping') return maskedFrame(0x80 | opcodes.ping, act.payload);
  const cuts = [...act.cuts].map((cut) => Math.min(cut, act.payload.length)).sort((a, b) => a - b);
  const edges = [0, ...cuts, act.payload.length];
  const pieces = edges.slice(1).map((end, index) => act.payload.subarray(edges[index], end));
  return Buffer.concat(
    pieces.map((piece, index) => {
      const final = index === pieces.length - 1 ? 0x80 : 0;
      return maskedFrame(final | (index === 0 ? opcodes[act.kind] : 0), piece);
    }),
  );
}

/** A client frame with mask 0. */
function maskedFrame(firstByte: number, payload: Buffer): Buffer {
  const { length } = payload;
  if (length < 126) return Buffer.concat([Buffer.from([firstByte, 0x80 | length, 0, 0, 0, 0]), payload]);
  const header = Buffer.alloc(length < 1 << 16 ? 8 : 14);
  header[0] = firstByte;
  if (length < 1 << 16) {
    header[1] = 0xfe;
    header.writeUInt16BE(length, 2);
  } else {
    header[1] = 0xff;
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([header, payload]);
}
