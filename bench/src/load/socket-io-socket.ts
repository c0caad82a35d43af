import { WireSocket } from './wire-socket.ts';

type OnAcknowledged = () => void;

export interface SocketIoOptions {
  readonly url: string;
  /** Joined before anything else. */
  readonly room: string;
  /** Hears of each event, as its whole packet: bytes that are valid during the call only. */
  readonly onEvent: (bytes: Buffer) => void;
  readonly onClosed?: () => void;
}

/**
 * A client of Socket.IO's protocol (Engine.IO 4 over WebSocket only), on the same cheap socket as ours: a
 * peer is compared server to server.
 */
export class SocketIoSocket {
  readonly #wire: WireSocket;
  readonly #waiting = new Map<number, OnAcknowledged>();
  readonly #opened = Promise.withResolvers<void>();
  readonly #onEvent: (bytes: Buffer) => void;
  #lastId = 0;

  /** Connects, and joins a room of the peer. */
  static async join({ url, room, ...listener }: SocketIoOptions): Promise<SocketIoSocket> {
    const address = new URL('/socket.io/?EIO=4&transport=websocket', url.replace('http', 'ws'));
    const socket = new SocketIoSocket(await WireSocket.open(address.href), listener);
    await socket.#opened.promise;
    await new Promise<void>((resolve) => socket.emit('join', JSON.stringify(room), resolve));
    return socket;
  }

  private constructor(
    wire: WireSocket,
    { onEvent, onClosed }: Pick<SocketIoOptions, 'onEvent' | 'onClosed'>,
  ) {
    this.#wire = wire;
    this.#onEvent = onEvent;
    wire.listen({ onText: (bytes) => this.#receive(bytes), ...(onClosed && { onClosed }) });
  }

  /** An event with one argument; without `onAcknowledged` no acknowledgement is asked for. */
  emit(event: string, argumentJson: string, onAcknowledged?: OnAcknowledged): void {
    if (onAcknowledged === undefined) {
      this.#wire.send(`42["${event}",${argumentJson}]`);
      return;
    }
    this.#lastId += 1;
    this.#waiting.set(this.#lastId, onAcknowledged);
    this.#wire.send(`42${this.#lastId}["${event}",${argumentJson}]`);
  }

  /** Packets begin with Engine.IO's type, then Socket.IO's. */
  #receive(bytes: Buffer): void {
    if (bytes[0] === engineMessage && bytes[1] === ioEvent) {
      this.#onEvent(bytes);
      return;
    }
    const type = bytes.toString('latin1', 0, 2);
    if (type === '43') this.#acknowledge(Number.parseInt(bytes.toString('latin1', 2, 12), 10));
    else if (type === '40') this.#opened.resolve();
    else if (type === '2') this.#wire.send('3');
    else if (bytes[0] === engineOpen) this.#wire.send('40');
  }

  #acknowledge(id: number): void {
    const onAcknowledged = this.#waiting.get(id);
    this.#waiting.delete(id);
    onAcknowledged?.();
  }
}

const engineOpen = '0'.charCodeAt(0);
const engineMessage = '4'.charCodeAt(0);
const ioEvent = '2'.charCodeAt(0);
