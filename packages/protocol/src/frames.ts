/**
 * Phoenix Channels frames, serializers V1 and V2: one text frame holds one of these. Payloads are handed in
 * as JSON text, so that a message is turned into text once, however many read it.
 * Source: phoenixframework/phoenix, `v1_json_serializer.ex`, `v2_json_serializer.ex`, `serializer.js`.
 */

/** A frame's reference, echoed with its JSON type. */
export type Ref = string | number | boolean | null;

/** What a client sent. `topic` may be anything: a reply echoes it. */
export interface ClientFrame {
  readonly joinRef: Ref;
  readonly ref: Ref;
  readonly topic: Ref;
  readonly event: Ref;
  readonly payload: unknown;
}

export type ReplyStatus = 'ok' | 'error';

/** One version of the text encoding. Every method returns the text of one frame. */
export interface Serializer {
  readonly version: 1 | 2;
  /** The frame in `text`, or null when it is malformed: not JSON, or not of the version's shape. */
  decode(text: string): ClientFrame | null;
  reply(joinRef: Ref, ref: Ref, topic: Ref, status: ReplyStatus, responseJson: string): string;
  /** A server push to one channel. `ref` is set on `phx_close` and `phx_error` only. */
  push(joinRef: Ref, ref: Ref, topic: string, event: string, payloadJson: string): string;
  /** The same bytes for every subscriber. */
  broadcast(topic: string, event: string, payloadJson: string): string;
}

export const serializerV2: Serializer = {
  version: 2,
  decode(text) {
    const value = parseJson(text);
    if (!Array.isArray(value) || value.length < 5) return null;
    const [joinRef, ref, topic, event, payload] = value;
    return { joinRef: toRef(joinRef), ref: toRef(ref), topic: toRef(topic), event: toRef(event), payload };
  },
  reply(joinRef, ref, topic, status, responseJson) {
    return `[${encodeRef(joinRef)},${encodeRef(ref)},${encodeRef(topic)},"phx_reply",{"status":"${status}","response":${responseJson}}]`;
  },
  push(joinRef, ref, topic, event, payloadJson) {
    return `[${encodeRef(joinRef)},${encodeRef(ref)},${encodeRef(topic)},${encodeRef(event)},${payloadJson}]`;
  },
  broadcast(topic, event, payloadJson) {
    return `[null,null,${encodeRef(topic)},${encodeRef(event)},${payloadJson}]`;
  },
};

export const serializerV1: Serializer = {
  version: 1,
  decode(text) {
    const value = parseJson(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    const { join_ref: joinRef, ref, topic, event, payload } = value as Record<string, unknown>;
    if (topic === undefined || event === undefined) return null;
    return { joinRef: toRef(joinRef), ref: toRef(ref), topic: toRef(topic), event: toRef(event), payload };
  },
  reply(_joinRef, ref, topic, status, responseJson) {
    return encodeV1(topic, 'phx_reply', `{"status":"${status}","response":${responseJson}}`, ref);
  },
  push(_joinRef, ref, topic, event, payloadJson) {
    return encodeV1(topic, event, payloadJson, ref);
  },
  broadcast(topic, event, payloadJson) {
    return encodeV1(topic, event, payloadJson, null);
  },
};

/** A binary client push as far as it is read: enough to refuse it politely. */
export type BinaryPush = Omit<ClientFrame, 'payload'>;

/**
 * The header of a binary client push, or null when it is truncated or of an unknown kind. All lengths are
 * bytes: `00 | join_ref length | ref length | topic length | event length | join_ref ref topic event | data`.
 */
export function decodeBinaryPush(data: Uint8Array): BinaryPush | null {
  if (data[0] !== 0 || data.length < 5) return null;
  const lengths = [...data.subarray(1, 5)];
  if (data.length < lengths.reduce((sum, length) => sum + length, 5)) return null;
  // Refs, topics and events are echoed as they came: a byte order mark is part of them.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let offset = 5;
  const [joinRef, ref, topic, event] = lengths.map((length) => {
    offset += length;
    return decoder.decode(data.subarray(offset - length, offset));
  });
  return { joinRef: joinRef || null, ref: ref || null, topic: topic!, event: event! };
}

function encodeV1(topic: Ref, event: string, payloadJson: string, ref: Ref): string {
  return `{"topic":${encodeRef(topic)},"event":${encodeRef(event)},"payload":${payloadJson},"ref":${encodeRef(ref)}}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Objects and arrays are no references: they count as absent, and are never echoed. */
function toRef(value: unknown): Ref {
  return typeof value === 'object' || value === undefined ? null : (value as Ref);
}

function encodeRef(ref: Ref): string {
  return JSON.stringify(ref);
}
