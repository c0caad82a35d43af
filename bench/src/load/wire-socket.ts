import { randomBytes } from 'node:crypto';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Socket } from 'node:net';
import { FrameReader } from './frame-reader.ts';

export interface WireListener {
  /** Hears of each text message, as the bytes of its UTF-8: valid only during the call. */
  readonly onText: (bytes: Buffer) => void;
  /** The connection is gone, whoever ended it. */
  readonly onClosed?: () => void;
}

/** How long a server may take for a handshake; two thousand at once take a while. */
const handshakeTimeoutMs = 30_000;

/**
 * A WebSocket client that costs as little as it can (RFC 6455): the generator shares the machine with what it
 * measures. Its mask is zero, which is a mask like any other to the server, and all that is sent in one turn
 * of the event loop is one write.
 */
export class WireSocket {
  readonly #socket: Socket;
  #onClosed = () => {};
  #isCorked = false;
  #isClosed = false;

  /**
   * Connects to a ws: or wss: address; reads nothing before `listen`. Throws when the handshake is refused.
   */
  static open(url: string): Promise<WireSocket> {
    const { promise, resolve, reject } = Promise.withResolvers<WireSocket>();
    const address = new URL(url.replace(/^ws/, 'http'));
    const request = (address.protocol === 'https:' ? requestHttps : requestHttp)(address, {
      agent: false,
      timeout: handshakeTimeoutMs,
      headers: {
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      },
    });
    request.on('upgrade', (_response, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve(new WireSocket(socket as Socket));
    });
    request.on('response', (response) => {
      response.resume();
      reject(new Error(`${address.origin} answered the handshake with ${response.statusCode}`));
    });
    request.on('timeout', () => request.destroy(new Error('no answer to the handshake')));
    request.on('error', reject);
    request.end();
    return promise;
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setTimeout(0);
    socket.on('error', () => {});
    socket.on('close', () => this.#closed());
  }

  /** Begins to read. Call it once. */
  listen({ onText, onClosed = () => {} }: WireListener): void {
    this.#onClosed = onClosed;
    const reader = new FrameReader({
      onText,
      onPing: (payload) => this.#write(opcodes.pong, payload),
      onClose: () => this.close(),
    });
    this.#socket.on('data', (chunk) => reader.read(chunk));
  }

  get isOpen(): boolean {
    return !this.#isClosed;
  }

  send(text: string): void {
    this.#write(opcodes.text, Buffer.from(text));
  }

  /** Goes away without a word. */
  close(): void {
    this.#socket.destroy();
  }

  #write(opcode: number, payload: Buffer): void {
    if (this.#isClosed) return;
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
      process.nextTick(() => this.#uncork());
    }
    this.#socket.write(encodeMasked(opcode, payload));
  }

  #uncork(): void {
    this.#isCorked = false;
    this.#socket.uncork();
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClosed();
  }
}

const opcodes = { text: 1, pong: 10 };
const fin = 0x80;
const masked = 0x80;
const maskBytes = 4;

/** A whole frame of a client; longer texts than 64 KiB no scenario sends. */
function encodeMasked(opcode: number, payload: Buffer): Buffer {
  const isShort = payload.length < 126;
  const headerBytes = (isShort ? 2 : 4) + maskBytes;
  const frame = Buffer.alloc(headerBytes + payload.length);
  frame[0] = fin | opcode;
  frame[1] = masked | (isShort ? payload.length : 126);
  if (!isShort) frame.writeUInt16BE(payload.length, 2);
  payload.copy(frame, headerBytes);
  return frame;
}
