import { type Serializer, serializerV1, serializerV2 } from '@fleetlm/protocol';
import { encodeTextFrame } from '../lib/websocket-frame.ts';

/**
 * One event for all subscribers of a topic. Its bytes are made once per serializer, whole WebSocket frame
 * included, on first use: a topic whose readers all speak V2 never pays for V1.
 */
export class Broadcast {
  readonly topic: string;
  readonly event: string;
  readonly payloadJson: string;
  /** A message's seq; 0 for events that have no place in the log. */
  readonly seq: number;
  #frameV1: Buffer | undefined;
  #frameV2: Buffer | undefined;

  constructor(topic: string, event: string, payloadJson: string, seq = 0) {
    this.topic = topic;
    this.event = event;
    this.payloadJson = payloadJson;
    this.seq = seq;
  }

  /** The WebSocket frame for readers of this serializer: the same Buffer for each, never to be changed. */
  frame(version: Serializer['version']): Buffer {
    if (version === 2) {
      this.#frameV2 ??= this.#encode(serializerV2);
      return this.#frameV2;
    }
    this.#frameV1 ??= this.#encode(serializerV1);
    return this.#frameV1;
  }

  #encode(serializer: Serializer): Buffer {
    return encodeTextFrame(serializer.broadcast(this.topic, this.event, this.payloadJson));
  }
}
