import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';

const typeA = 1;
const typeAaaa = 28;
const noSuchName = 3;

/** A name server over UDP. It answers with the addresses that a test wants, or not at all. */
export class DnsServer implements AsyncDisposable {
  /** A name that is not in it does not exist; one with null gets no answer. */
  readonly names = new Map<string, readonly string[] | null>();
  questions = 0;
  readonly #socket: Socket = createSocket('udp4');

  static async start(): Promise<DnsServer> {
    const server = new DnsServer();
    const { promise, resolve } = Promise.withResolvers<void>();
    server.#socket.bind(0, '127.0.0.1', resolve);
    await promise;
    return server;
  }

  private constructor() {
    this.#socket.on('message', (query, { address, port }) => {
      this.questions += 1;
      const answer = this.#answer(query);
      if (answer !== null) this.#socket.send(answer, port, address);
    });
  }

  /** As `Resolver.setServers` takes it. */
  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.close(resolve);
    await promise;
  }

  #answer(query: Buffer): Buffer | null {
    const { name, type, question } = readQuestion(query);
    const addresses = this.names.get(name);
    if (addresses === null) return null;
    const records = (addresses ?? [])
      .filter((address) => type === (isIPv6(address) ? typeAaaa : typeA))
      .map((address) => toRecord(type, address));
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    // A response, with recursion.
    header.writeUInt16BE(0x8180 | (addresses === undefined ? noSuchName : 0), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(records.length, 6);
    return Buffer.concat([header, question, ...records]);
  }
}

function readQuestion(query: Buffer): { name: string; type: number; question: Buffer } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const question = query.subarray(12, at + 5);
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), question };
}

/** Its name is a pointer to the question's; it is not to be kept. */
function toRecord(type: number, address: string): Buffer {
  const data = isIPv6(address) ? ipv6Bytes(address) : Buffer.from(address.split('.').map(Number));
  const head = Buffer.from([0xc0, 0x0c, 0, type, 0, 1, 0, 0, 0, 0, 0, data.length]);
  return Buffer.concat([head, data]);
}

function ipv6Bytes(address: string): Buffer {
  const plain = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail = ''] = plain.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const [left, right] = [groups(head), groups(tail)];
  const zeros = Array<string>(8 - left.length - right.length).fill('0');
  const hex = [...left, ...zeros, ...right].map((group) => group.padStart(4, '0')).join('');
  return Buffer.from(hex, 'hex');
}
