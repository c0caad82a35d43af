import { isUtf8 } from 'node:buffer';
import { errorTable } from '@fleetlm/protocol';
import type { Act, Script } from './frame-arbitraries.ts';

/** A frame in either direction, whatever the version. V1 knows no join_ref towards the client. */
export interface Frame {
  readonly joinRef: unknown;
  readonly ref: unknown;
  readonly topic: unknown;
  readonly event: unknown;
  readonly payload: unknown;
}

/** What the protocol makes of an act: a frame, nothing, or the end of the connection. */
export type Meaning = Frame | 'nothing' | { readonly closes: number };

const binaryPayload = Symbol('binary payload');
/** FleetLM's own. */
const maxFrameBytes = 64 << 10;

export function meaningOf(act: Act, vsn: Script['vsn']): Meaning {
  const { kind, payload } = act;
  if (kind === 'ping') return 'nothing';
  if (payload.length > maxFrameBytes) return { closes: 1009 };
  if (kind === 'binary') return decodeBinary(payload) ?? { closes: 1002 };
  if (!isUtf8(payload)) return { closes: 1007 };
  return decodeText(payload.toString(), vsn) ?? { closes: 1007 };
}

/** What the server said, as it was received. */
export function toFrame(received: unknown, vsn: Script['vsn']): Frame {
  if (vsn === '1.0.0') return { joinRef: undefined, ...(received as Omit<Frame, 'joinRef'>) };
  const [joinRef, ref, topic, event, payload] = received as readonly unknown[];
  return { joinRef, ref, topic, event, payload };
}

/**
 * Explains what the server said by what the client had said: the rules of the protocol, told from outside. Each
 * topic is a thread of its own; in it answers come in order, one for each frame that is owed one.
 */
export class FrameModel {
  readonly #topics = new Map<string, TopicModel>();
  readonly #mayJoin: (topic: unknown) => boolean;
  #accepted = 0;

  constructor(mayJoin: (topic: unknown) => boolean) {
    this.#mayJoin = mayJoin;
  }

  sent(frame: Frame): void {
    this.#of(frame.topic).sent.push(frame);
  }

  /** Throws when nothing explains the frame. */
  received(frame: Frame): void {
    this.#of(frame.topic).received(frame);
    const isReply = frame.event === 'phx_reply';
    if (isReply && reasonOf(frame.payload) === null) this.#accepted += 1;
  }

  /** How many frames were answered with ok. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Whether every frame that is owed an answer has it. */
  get isSettled(): boolean {
    return [...this.#topics.values()].every((topic) => topic.isSettled);
  }

  #of(topic: unknown): TopicModel {
    const key = JSON.stringify(topic) ?? 'undefined';
    const known = this.#topics.get(key) ?? new TopicModel(topic, this.#mayJoin(topic));
    this.#topics.set(key, known);
    return known;
  }
}

interface Joined {
  readonly joinRef: unknown;
  readonly channelRef: unknown;
}

const pushes = new Set(['message', 'read', 'session', 'update', 'snapshot']);
const protocolReasons = new Set(['unmatched topic', 'too many channels joined']);

class TopicModel {
  readonly sent: Frame[] = [];
  readonly #topic: unknown;
  readonly #mayJoin: boolean;
  #joined: Joined | null = null;
  /** The join_ref of a join whose `phx_close` comes next. */
  #owedClose: Joined | null = null;

  constructor(topic: unknown, mayJoin: boolean) {
    this.#topic = topic;
    this.#mayJoin = mayJoin;
  }

  get isSettled(): boolean {
    this.#dropSilent();
    return this.sent.length === 0 && this.#owedClose === null;
  }

  received(frame: Frame): void {
    if (this.#owedClose !== null) this.#takeClose(frame, this.#owedClose);
    else if (frame.event === 'phx_reply') this.#takeReply(frame);
    else this.#takePush(frame);
  }

  #takeClose(frame: Frame, { joinRef }: Joined): void {
    expectFields(frame, { joinRef, ref: joinRef, event: 'phx_close' });
    this.#owedClose = null;
  }

  #takePush(frame: Frame): void {
    const refs = [null, this.#joined?.channelRef].map(echo);
    const isOurs = frame.joinRef === undefined || refs.includes(echo(frame.joinRef));
    if (this.#joined === null || !isOurs || !pushes.has(String(frame.event)) || frame.ref !== null) {
      throw new Error(`nobody asked for ${JSON.stringify(frame)}`);
    }
  }

  #takeReply(frame: Frame): void {
    this.#dropSilent();
    const asked = this.sent.shift();
    if (asked === undefined) throw new Error(`answers nothing: ${JSON.stringify(frame)}`);
    expectFields(frame, { ref: asked.ref });
    const reason = reasonOf(frame.payload);
    if (this.#isUnmatched(asked)) expectReply(frame, null, 'unmatched topic');
    else if (asked.topic === 'phoenix') expectReply(frame, null, null);
    else if (asked.event === 'phx_join') this.#takeJoinReply(frame, asked, reason);
    else if (asked.event === 'phx_leave') this.#takeLeaveReply(frame, asked);
    else expectReply(frame, this.#joined!.channelRef, refusalOf(asked) ?? reason);
  }

  #isUnmatched({ event, payload }: Frame): boolean {
    if (this.#topic === 'phoenix') return event !== 'heartbeat';
    if (typeof this.#topic !== 'string') return true;
    if (event === 'phx_join') return isObject(payload) && !/^(session|inbox):/.test(this.#topic);
    return event !== 'phx_leave' && this.#joined === null;
  }

  #takeJoinReply(frame: Frame, asked: Frame, reason: string | null): void {
    const refusal = refusalOf({ ...asked, event: 'phx_join' });
    expectReply(frame, asked.joinRef, refusal ?? reason);
    if (refusal !== null) return;
    this.#owedClose = this.#joined;
    this.#joined = null;
    if (reason !== null) return;
    if (!this.#mayJoin) throw new Error(`joined what it must not see: ${JSON.stringify(frame)}`);
    this.#joined = { joinRef: asked.joinRef, channelRef: asked.joinRef ?? asked.ref };
  }

  #takeLeaveReply(frame: Frame, asked: Frame): void {
    expectReply(frame, this.#joined === null ? asked.joinRef : this.#joined.channelRef, null);
    this.#owedClose = this.#joined;
    this.#joined = null;
  }

  /** Frames with a stale join_ref are dropped without a word; a join is never stale. */
  #dropSilent(): void {
    while (this.sent.length > 0 && this.#isStale(this.sent[0]!)) this.sent.shift();
  }

  #isStale({ joinRef, event }: Frame): boolean {
    if (this.#joined === null || event === 'phx_join') return false;
    return joinRef !== null && joinRef !== this.#joined.channelRef;
  }
}

/** Why a frame is refused, whatever its channel says; or null. */
function refusalOf({ event, payload }: Frame): string | null {
  if (typeof event !== 'string') return 'invalid_request';
  if (payload === binaryPayload) return 'binary_unsupported';
  return isObject(payload) ? null : 'invalid_request';
}

function expectReply(frame: Frame, joinRef: unknown, reason: string | null): void {
  expectFields(frame, { joinRef, event: 'phx_reply' });
  const { status } = frame.payload as { status: unknown };
  const seen = reasonOf(frame.payload);
  const isKnown = seen === null || protocolReasons.has(seen) || seen in errorTable;
  // No input of a client may be our fault.
  const isFault = seen === 'internal_error';
  if (status !== (reason === null ? 'ok' : 'error') || seen !== reason || !isKnown || isFault) {
    throw new Error(`expected ${reason ?? 'ok'}, not ${JSON.stringify(frame)}`);
  }
}

function reasonOf(payload: unknown): string | null {
  const { status, response } = payload as { status: unknown; response: { reason?: unknown } };
  return status === 'ok' ? null : String(response.reason);
}

function expectFields(frame: Frame, expected: Partial<Frame>): void {
  for (const [key, value] of Object.entries(expected)) {
    const seen = frame[key as keyof Frame];
    if (key === 'joinRef' && seen === undefined) continue;
    if (echo(seen) !== echo(value))
      throw new Error(`expected ${key} ${echo(value)} in ${JSON.stringify(frame)}`);
  }
}

/** As JSON has it: 1e999 comes back as null. */
function echo(ref: unknown): string {
  return JSON.stringify(ref);
}

function decodeText(text: string, vsn: Script['vsn']): Frame | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (vsn === '2.0.0') {
    if (!Array.isArray(value) || value.length < 5) return null;
    const [joinRef, ref, topic, event, payload] = value;
    return { joinRef: toRef(joinRef), ref: toRef(ref), topic: toRef(topic), event: toRef(event), payload };
  }
  if (!isObject(value)) return null;
  const { join_ref: joinRef, ref, topic, event, payload } = value as Record<string, unknown>;
  if (topic === undefined || event === undefined) return null;
  return { joinRef: toRef(joinRef), ref: toRef(ref), topic: toRef(topic), event: toRef(event), payload };
}

function decodeBinary(data: Buffer): Frame | null {
  const lengths = [...data.subarray(1, 5)];
  const isWhole = data.length >= lengths.reduce((sum, length) => sum + length, 5);
  if (data[0] !== 0 || lengths.length < 4 || !isWhole) return null;
  let offset = 5;
  const [joinRef, ref, topic, event] = lengths.map((length) => {
    offset += length;
    return data.toString('utf8', offset - length, offset);
  });
  return { joinRef: joinRef || null, ref: ref || null, topic, event, payload: binaryPayload };
}

/** Objects and arrays are no references. */
function toRef(value: unknown): unknown {
  return typeof value === 'object' || value === undefined ? null : value;
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
