import { serializerV1, serializerV2 } from '@fleetlm/protocol';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { encodeTextFrame } from '../../src/lib/websocket-frame.ts';
import { Metrics } from '../../src/observability/metrics.ts';
import { Broadcast } from '../../src/pubsub/broadcast.ts';
import { LocalPubSub } from '../../src/pubsub/local-pubsub.ts';
import type { Subscriber } from '../../src/pubsub/pubsub.ts';

let pubsub: LocalPubSub;

beforeEach(() => {
  pubsub = new LocalPubSub(new Metrics());
});

class Listener implements Subscriber {
  readonly heard: Broadcast[] = [];
  readonly #then: () => void;

  constructor(then: () => void = () => {}) {
    this.#then = then;
  }

  deliver(broadcast: Broadcast): void {
    this.heard.push(broadcast);
    this.#then();
  }
}

function news(topic = 't'): Broadcast {
  return new Broadcast(topic, 'news', '{"n":1}');
}

describe('a broadcast', () => {
  test('reaches every subscriber of its topic once, and nobody else', () => {
    const [one, two, other] = [new Listener(), new Listener(), new Listener()];
    for (const listener of [one, two, one]) pubsub.subscribe('t', listener);
    pubsub.subscribe('other', other);
    const broadcast = news();
    pubsub.broadcast(broadcast);
    pubsub.broadcast(news('nobody'));
    expect([one.heard, two.heard, other.heard]).toEqual([[broadcast], [broadcast], []]);
  });

  test('passes by who unsubscribed while it was under way', () => {
    const second = new Listener();
    const first = new Listener(() => pubsub.unsubscribe('t', second));
    const third = new Listener(() => pubsub.unsubscribe('t', third));
    for (const listener of [first, second, third]) pubsub.subscribe('t', listener);
    for (const _ of [1, 2]) pubsub.broadcast(news());
    expect([first, second, third].map(({ heard }) => heard.length)).toEqual([2, 0, 1]);
  });

  test('goes on when the last of the topic leaves and another comes', () => {
    const late = new Listener();
    const only = new Listener(() => {
      pubsub.unsubscribe('t', only);
      pubsub.subscribe('t', late);
    });
    pubsub.subscribe('t', only);
    pubsub.broadcast(news());
    pubsub.broadcast(news());
    expect([only.heard.length, late.heard.length]).toEqual([1, 1]);
    expect(pubsub.subscriberCount('t')).toBe(1);
  });

  test('made by a subscriber reaches all', () => {
    const second = new Listener();
    const first: Listener = new Listener(() => {
      if (first.heard.length < 3) pubsub.broadcast(news());
    });
    for (const listener of [first, second]) pubsub.subscribe('t', listener);
    pubsub.broadcast(news());
    expect([first.heard.length, second.heard.length]).toEqual([3, 3]);
  });
});

test('property: as a table of topics and subscribers', () => {
  const change = fc.record({
    do: fc.constantFrom('subscribe', 'unsubscribe'),
    topic: fc.constantFrom('a', 'b'),
    who: fc.nat(3),
  });
  fc.assert(
    fc.property(fc.array(change), (changes) => {
      const own = new LocalPubSub(new Metrics());
      const listeners = Array.from({ length: 4 }, () => new Listener());
      const model = new Set<string>();
      for (const { do: what, topic, who } of changes) {
        if (what === 'subscribe') own.subscribe(topic, listeners[who]!);
        else own.unsubscribe(topic, listeners[who]!);
        if (what === 'subscribe') model.add(`${topic}${who}`);
        else model.delete(`${topic}${who}`);
      }
      const countOf = (topic: string) => [...model].filter((each) => each.startsWith(topic)).length;
      expect(['a', 'b'].map((topic) => own.subscriberCount(topic))).toEqual(['a', 'b'].map(countOf));
      expect(own.topicCount).toBe(['a', 'b'].filter((topic) => countOf(topic) > 0).length);
      own.broadcast(news('a'));
      expect(listeners.map(({ heard }) => heard.length)).toEqual(
        listeners.map((_, who) => (model.has(`a${who}`) ? 1 : 0)),
      );
    }),
  );
});

describe('the bytes of a broadcast', () => {
  test.each([
    [1, serializerV1],
    [2, serializerV2],
  ] as const)('V%i: made once, the same Buffer for all', (version, serializer) => {
    const broadcast = new Broadcast('session:é', 'message', '{"text":"🌍"}', 7);
    const frame = broadcast.frame(version);
    expect(broadcast.frame(version)).toBe(frame);
    expect(frame).toEqual(encodeTextFrame(serializer.broadcast('session:é', 'message', '{"text":"🌍"}')));
  });

  test('nobody pays for a version that nobody reads', () => {
    let made = 0;
    class Counted extends String {
      override toString(): string {
        made += 1;
        return '{}';
      }
    }
    const broadcast = new Broadcast('t', 'news', new Counted() as unknown as string);
    expect(made).toBe(0);
    for (let n = 0; n < 10; n += 1) broadcast.frame(2);
    expect(made).toBe(1);
    broadcast.frame(1);
    expect(made).toBe(2);
  });
});
