/** What a server may send. */
export interface FrameHandlers {
  readonly onText: (payload: Buffer) => void;
  readonly onPing: (payload: Buffer) => void;
  readonly onClose: () => void;
}

const opcodes = { continuation: 0, text: 1, close: 8, ping: 9 };

/**
 * Takes a server's bytes apart into WebSocket frames (RFC 6455, 5.2), without copying those that came whole.
 */
export class FrameReader {
  readonly #handlers: FrameHandlers;
  #rest: Buffer = empty;
  /** The fragments of a message that is not complete. */
  #fragments: Buffer[] = [];

  constructor(handlers: FrameHandlers) {
    this.#handlers = handlers;
  }

  read(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let offset = 0;
    for (;;) {
      const next = this.#readFrame(bytes, offset);
      if (next === offset) break;
      offset = next;
    }
    this.#rest = offset === bytes.length ? empty : Buffer.from(bytes.subarray(offset));
  }

  /** Returns where the next frame begins: at `offset` again if this one is not complete. */
  #readFrame(bytes: Buffer, offset: number): number {
    if (bytes.length < offset + 2) return offset;
    const first = bytes[offset]!;
    let length = bytes[offset + 1]! & 0x7f;
    let start = offset + 2;
    if (length === 126) {
      start += 2;
      if (bytes.length < start) return offset;
      length = bytes.readUInt16BE(start - 2);
    } else if (length === 127) {
      start += 8;
      if (bytes.length < start) return offset;
      length = Number(bytes.readBigUInt64BE(start - 8));
    }
    const end = start + length;
    if (bytes.length < end) return offset;
    this.#take(first, bytes.subarray(start, end));
    return end;
  }

  #take(first: number, payload: Buffer): void {
    const isFinal = (first & 0x80) !== 0;
    switch (first & 0x0f) {
      case opcodes.text:
        if (isFinal) this.#handlers.onText(payload);
        else this.#fragments = [Buffer.from(payload)];
        return;
      case opcodes.continuation:
        this.#fragments.push(Buffer.from(payload));
        if (isFinal) this.#handlers.onText(Buffer.concat(this.#fragments));
        return;
      case opcodes.ping:
        this.#handlers.onPing(Buffer.from(payload));
        return;
      case opcodes.close:
        this.#handlers.onClose();
        return;
      default:
        throw new Error(`the server sent a frame of kind ${first & 0x0f}`);
    }
  }
}

const empty = Buffer.alloc(0);
