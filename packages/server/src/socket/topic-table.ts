import { type ClientFrame, isJsonObject, type WireError, wireError } from '@fleetlm/protocol';
import {
  closeOwedBy,
  type Effect,
  type Effects,
  type Ending,
  endingFrame,
  errorReply,
  type Held,
  heartbeatReply,
  type Join,
  payloadError,
  reply,
  replyTo,
  unmatched,
} from './topic-effects.ts';

export interface TopicLimits {
  readonly maxTopics: number;
  /** Most frames of one topic that wait; the same for output that is held until its join reply. */
  readonly maxPendingFrames: number;
  /** Most bytes of all waiting frames of a socket, or 100 topics of 100 frames would hold 640 MiB. */
  readonly maxPendingBytes: number;
}

/**
 * The topics of one socket: the server rules of the Phoenix Channels protocol (phoenix `socket.ex`), pure.
 * The connection tells it what the client and the channels did, and performs the effects.
 *
 * Owns each topic's current join and the frames that wait behind it. Invariants:
 * - The frames of a topic are taken strictly in order: while a join or a channel call is under way the later
 *   ones wait. Topics never wait for each other.
 * - No frame of a topic precedes its join reply; after a join is over nothing of it has any effect.
 * - The client ends a join only after the channel has settled: earlier pushes are answered before the leave is,
 *   and before a push that is refused here.
 *   An end by the channel, or of the socket, waits for nothing.
 * - Each `open` is followed by exactly one `leave`.
 */
export class TopicTable<Channel, Output> {
  readonly #limits: TopicLimits;
  readonly #slots = new Map<string, Slot<Channel, Output>>();
  #waitingBytes = 0;
  #ended = false;

  constructor(limits: TopicLimits) {
    this.#limits = limits;
  }

  /** How many topics are joined or being joined. */
  get size(): number {
    return this.#slots.size;
  }

  /** A frame of the client; `bytes` is what it costs to keep it waiting. */
  receive(frame: ClientFrame, bytes: number): Effects<Channel, Output> {
    if (this.#ended) return none;
    const { topic } = frame;
    if (topic === 'phoenix') return [frame.event === 'heartbeat' ? heartbeatReply(frame) : unmatched(frame)];
    if (typeof topic !== 'string') return [unmatched(frame)];
    const slot = this.#slots.get(topic);
    if (slot === undefined) return this.#resume({ topic, join: null, waiting: [{ frame, bytes: 0 }] }, []);
    if (isBlocked(slot)) return this.#wait(slot, frame, bytes);
    const effects: Effect<Channel, Output>[] = [];
    this.#apply(slot, { frame, bytes }, effects);
    return this.#resume(slot, effects);
  }

  /** The channel's join succeeded: its reply, the close owed to the join before it, then what was held. */
  accept(join: Join<Channel, Output>, responseJson: string): Effects<Channel, Output> {
    const slot = this.#slotOf(join);
    if (slot === null || join.phase !== 'joining') return none;
    if (join.held.length > this.#limits.maxPendingFrames) {
      return this.refuse(join, wireError('overloaded', 'Too much was pushed before the join was answered'));
    }
    const effects: Effect<Channel, Output>[] = [replyTo(join, 'ok', responseJson), ...closeOwedBy(join)];
    slot.join!.phase = 'running';
    for (const item of join.held.splice(0)) {
      if (typeof item === 'string') {
        this.#end(slot, endingFrame(join, item), effects);
        return this.#resume(slot, effects);
      }
      effects.push({ kind: 'send', output: item.output });
    }
    effects.push({ kind: 'joined', join });
    return effects;
  }

  /** The channel refused its join. */
  refuse(join: Join<Channel, Output>, error: WireError): Effects<Channel, Output> {
    return this.#failJoin(join, errorReply(join, join.joinRef, error));
  }

  /** No channel serves the topic: Phoenix answers without join_ref. */
  refuseUnmatched(join: Join<Channel, Output>): Effects<Channel, Output> {
    return this.#failJoin(join, unmatched(join));
  }

  /** The channel's join threw or rejected. */
  crashJoin(join: Join<Channel, Output>): Effects<Channel, Output> {
    return this.#failJoin(join, replyTo(join, 'error', '{"reason":"join crashed"}'));
  }

  /** The channel call that an effect asked for is done: the next frame may go. */
  resume(join: Join<Channel, Output>): Effects<Channel, Output> {
    const slot = this.#slotOf(join);
    if (slot?.join?.phase !== 'running') return none;
    slot.join.phase = 'idle';
    return slot.waiting.length === 0 ? none : this.#resume(slot, []);
  }

  /**
   * Whether a frame that the channel made may be sent now. False: it is held until the join reply, or belongs
   * to a join that is over and is forgotten. Every broadcast to every reader passes here: it allocates nothing.
   */
  offer(join: Join<Channel, Output>, output: Output): boolean {
    if (join.phase === 'joining') this.#hold(join, { output });
    return join.phase === 'running' || join.phase === 'idle';
  }

  /** The joins whose reply is out: pushes may go to them. */
  joined(): readonly Join<Channel, Output>[] {
    return [...this.#slots.values()].flatMap(({ join }) =>
      join === null || join.phase === 'joining' ? [] : [join],
    );
  }

  /** The channel ended its topic. */
  end(join: Join<Channel, Output>, ending: Ending): Effects<Channel, Output> {
    const slot = this.#slotOf(join);
    if (slot === null) return none;
    if (join.phase === 'joining') {
      this.#hold(join, ending);
      return none;
    }
    const effects: Effect<Channel, Output>[] = [];
    this.#end(slot, endingFrame(join, ending), effects);
    return this.#resume(slot, effects);
  }

  /** The socket is gone: every channel leaves, and nothing has any effect from here on. */
  endAll(): Effects<Channel, Output> {
    this.#ended = true;
    const effects: Effect<Channel, Output>[] = [];
    for (const { join } of this.#slots.values()) {
      if (join === null) continue;
      join.phase = 'over';
      join.held.length = 0;
      effects.push({ kind: 'leave', join });
    }
    this.#slots.clear();
    this.#waitingBytes = 0;
    return effects;
  }

  /** Takes waiting frames until one asks for a channel call, or none is left. */
  #resume(
    slot: Slot<Channel, Output>,
    effects: Effect<Channel, Output>[],
  ): readonly Effect<Channel, Output>[] {
    while (slot.waiting.length > 0 && !isBlocked(slot)) {
      const waiting = slot.waiting.shift()!;
      this.#waitingBytes -= waiting.bytes;
      this.#apply(slot, waiting, effects);
    }
    if (slot.join === null) this.#slots.delete(slot.topic);
    return effects;
  }

  #wait(slot: Slot<Channel, Output>, frame: ClientFrame, bytes: number): Effects<Channel, Output> {
    const full =
      slot.waiting.length >= this.#limits.maxPendingFrames ||
      this.#waitingBytes + bytes > this.#limits.maxPendingBytes;
    if (full) {
      return [errorReply(frame, frame.joinRef, wireError('overloaded', 'Too many frames of the topic wait'))];
    }
    slot.waiting.push({ frame, bytes });
    this.#waitingBytes += bytes;
    return none;
  }

  /** A frame that must not overtake answers goes back to the head, and is taken again when the channel has settled. */
  #apply(slot: Slot<Channel, Output>, waiting: Waiting, effects: Effect<Channel, Output>[]): void {
    const { frame } = waiting;
    if (slot.join !== null && mustSettle(slot.join, frame)) {
      slot.waiting.unshift(waiting);
      this.#waitingBytes += waiting.bytes;
      slot.join.phase = 'running';
      slot.join.isSettling = true;
      effects.push({ kind: 'settle', join: slot.join });
    } else if (frame.event === 'phx_join') this.#join(slot, frame, effects);
    else if (frame.event === 'phx_leave') this.#leave(slot, frame, effects);
    else this.#push(slot, frame, effects);
  }

  #join(slot: Slot<Channel, Output>, frame: ClientFrame, effects: Effect<Channel, Output>[]): void {
    const { payload } = frame;
    if (!isJsonObject(payload)) {
      this.#refuse(slot, errorReply(frame, frame.joinRef, payloadError(payload)), effects);
      return;
    }
    if (slot.join === null && this.#slots.size >= this.#limits.maxTopics && !this.#slots.has(slot.topic)) {
      effects.push(reply(frame.joinRef, frame, 'error', '{"reason":"too many channels joined"}'));
      return;
    }
    const replaced = slot.join;
    if (replaced !== null) this.#finish(slot, replaced, effects);
    const join = newJoin(slot.topic, frame, replaced);
    slot.join = join;
    this.#slots.set(slot.topic, slot);
    effects.push({ kind: 'open', join, payload });
  }

  #leave(slot: Slot<Channel, Output>, frame: ClientFrame, effects: Effect<Channel, Output>[]): void {
    const { join } = slot;
    if (join === null) {
      effects.push(reply(frame.joinRef, frame, 'ok', '{}'));
      return;
    }
    if (!belongsTo(join, frame)) return;
    this.#finish(slot, join, effects);
    effects.push(reply(join.channelRef, frame, 'ok', '{}'), endingFrame(join, 'close'));
  }

  #push(slot: Slot<Channel, Output>, frame: ClientFrame, effects: Effect<Channel, Output>[]): void {
    const { join } = slot;
    const { event, payload, ref } = frame;
    if (join === null) {
      effects.push(unmatched(frame));
    } else if (!belongsTo(join, frame)) {
      return; // of a join that was replaced or left: dropped without a word, as in Phoenix since 1.8.3
    } else if (typeof event !== 'string') {
      this.#refuse(slot, errorReply(frame, join.channelRef, eventError), effects);
    } else if (!isJsonObject(payload)) {
      this.#refuse(slot, errorReply(frame, join.channelRef, payloadError(payload)), effects);
    } else {
      join.phase = 'running';
      effects.push({ kind: 'handle', join, event, payload, ref });
    }
  }

  /** Answers a frame that the channel does not get to see; a join that there is goes on. */
  #refuse(
    slot: Slot<Channel, Output>,
    answer: Effect<Channel, Output>,
    effects: Effect<Channel, Output>[],
  ): void {
    if (slot.join !== null) slot.join.isSettling = false;
    effects.push(answer);
  }

  #failJoin(join: Join<Channel, Output>, answer: Effect<Channel, Output>): Effects<Channel, Output> {
    const slot = this.#slotOf(join);
    if (slot === null || join.phase !== 'joining') return none;
    const effects: Effect<Channel, Output>[] = [];
    this.#finish(slot, slot.join!, effects);
    effects.push(answer, ...closeOwedBy(join));
    return this.#resume(slot, effects);
  }

  #end(
    slot: Slot<Channel, Output>,
    frame: Effect<Channel, Output>,
    effects: Effect<Channel, Output>[],
  ): void {
    this.#finish(slot, slot.join!, effects);
    effects.push(frame);
  }

  /** The join is over; whoever calls it says what the client hears. */
  #finish(
    slot: Slot<Channel, Output>,
    join: MutableJoin<Channel, Output>,
    effects: Effect<Channel, Output>[],
  ): void {
    join.phase = 'over';
    join.held.length = 0;
    slot.join = null;
    effects.push({ kind: 'leave', join });
  }

  /** One more than the limit is kept, which tells `accept` that there was too much. */
  #hold(join: Join<Channel, Output>, item: Held<Output>): void {
    if (typeof join.held.at(-1) === 'string') return; // it has ended: nothing follows
    if (join.held.length <= this.#limits.maxPendingFrames) join.held.push(item);
  }

  #slotOf(join: Join<Channel, Output>): Slot<Channel, Output> | null {
    const slot = this.#slots.get(join.topic);
    return slot?.join === join ? slot : null;
  }
}

type MutableJoin<Channel, Output> = {
  -readonly [Key in keyof Join<Channel, Output>]: Join<Channel, Output>[Key];
};

/** A topic that is joined or being joined; `join` is null only while frames are taken. */
interface Slot<Channel, Output> {
  readonly topic: string;
  join: MutableJoin<Channel, Output> | null;
  readonly waiting: Waiting[];
}

/** A frame of the client, and what it costs to keep it waiting. */
interface Waiting {
  readonly frame: ClientFrame;
  readonly bytes: number;
}

const none: readonly never[] = [];

function isBlocked(slot: Slot<unknown, unknown>): boolean {
  return slot.join !== null && slot.join.phase !== 'idle';
}

/** Strict: 3 is not "3". A frame without join_ref belongs to whatever is joined (Phoenix since 1.8.12). */
function belongsTo(join: Join<unknown, unknown>, frame: ClientFrame): boolean {
  return frame.joinRef === null || frame.joinRef === join.channelRef;
}

const eventError = wireError('invalid_request', 'The event must be a text');

/**
 * Whether the channel must have answered everything before this frame, and was not told so yet: the frame ends
 * the join, or is answered here, ahead of what the channel has still in flight.
 */
function mustSettle(join: Join<unknown, unknown>, frame: ClientFrame): boolean {
  if (join.isSettling) return false;
  const { event, payload } = frame;
  if (event === 'phx_join') return true;
  const isForChannel = event !== 'phx_leave' && typeof event === 'string' && isJsonObject(payload);
  return !isForChannel && belongsTo(join, frame);
}

function newJoin<Channel, Output>(
  topic: string,
  { joinRef, ref }: ClientFrame,
  replaced: Join<Channel, Output> | null,
): MutableJoin<Channel, Output> {
  return {
    topic,
    joinRef,
    ref,
    channelRef: joinRef ?? ref,
    phase: 'joining',
    isSettling: false,
    channel: null,
    // Not the join itself: each would keep the one before it alive, for as long as the client rejoins.
    replaced: replaced && { topic, joinRef: replaced.joinRef },
    held: [],
  };
}
