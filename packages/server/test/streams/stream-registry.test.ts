import type { MessageId, ParticipantId, SessionId, StreamId, TurnId } from '@fleetlm/protocol';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type MessageFields, StoredMessage } from '../../src/conversation/stored-message.ts';
import { Metrics } from '../../src/observability/metrics.ts';
import { LocalPubSub } from '../../src/pubsub/local-pubsub.ts';
import type { Chunk } from '../../src/streams/chunk.ts';
import { encodeForJoiner, type RunningStream, type StreamFacts } from '../../src/streams/running-stream.ts';
import { joinMs } from '../../src/streams/stream-assembler.ts';
import { StreamRegistry } from '../../src/streams/stream-registry.ts';

let pubsub: LocalPubSub;
let registry: StreamRegistry;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  const metrics = new Metrics();
  pubsub = new LocalPubSub(metrics);
  registry = new StreamRegistry({ pubsub, metrics });
});

afterEach(() => {
  registry.stop();
  vi.useRealTimers();
});

function facts(streamId = 'S1', sessionId = 'one'): StreamFacts {
  return {
    streamId: streamId as StreamId,
    messageId: `M-${streamId}` as MessageId,
    turnId: `T-${streamId}` as TurnId,
    agentId: 'agent:"bot"' as ParticipantId,
    sessionId: sessionId as SessionId,
  };
}

const start: Chunk = { type: 'text-start', id: '1' };
/** What is shown before it, since the agent does not say that its message begins. */
const begin: Chunk = { type: 'start', messageId: 'M-S1' };

function say(stream: RunningStream, text: string): void {
  stream.push({ type: 'text-delta', id: '1', delta: text });
}

/** The payloads that a topic's readers get. */
function follow(sessionId = 'one') {
  const heard: { index: number; chunk: Chunk }[] = [];
  const subscriber = {
    deliver: ({ event, seq, payloadJson }: { event: string; seq: number; payloadJson: string }) => {
      expect([event, seq]).toEqual(['stream_chunk', 0]);
      heard.push(JSON.parse(payloadJson));
    },
  };
  pubsub.subscribe(`session:${sessionId}`, subscriber);
  return heard;
}

describe('what is found in the log', () => {
  const found = (id: string) => [new StoredMessage({ id: id as MessageId } as MessageFields)];

  test('closes the stream that has become it, before its node hears of the commit', () => {
    const heard = follow();
    const stream = registry.open(facts());
    const other = registry.open(facts('S2'));
    stream.end('finish');
    registry.found(stream.facts.sessionId, found('M-S3'));
    registry.found('two' as SessionId, found('M-S1'));
    expect(registry.of(stream.facts.sessionId)).toEqual([stream, other]);
    registry.found(stream.facts.sessionId, found('M-S1'));
    stream.close();
    expect(registry.of(stream.facts.sessionId)).toEqual([other]);
    expect(heard.map(({ chunk }) => chunk.type)).toEqual(['finish']);
  });

  test('closes one that runs: another node has ended it', () => {
    const heard = follow();
    const stream = registry.open(facts());
    stream.push(start);
    registry.found(stream.facts.sessionId, found('M-S1'));
    say(stream, 'too late');
    expect(registry.count).toBe(0);
    expect(heard.map(({ chunk }) => chunk.type)).toEqual(['start', 'text-start', 'error']);
  });
});

describe('a running stream', () => {
  test('is heard on its topic, chunk by chunk, under the ids it was opened with', () => {
    const heard = follow();
    const elsewhere = follow('two');
    const stream = registry.open(facts());
    stream.push(start);
    say(stream, 'Hi');
    const ids = { stream_id: 'S1', message_id: 'M-S1', turn_id: 'T-S1', agent_id: 'agent:"bot"' };
    expect(heard).toEqual([
      { ...ids, index: 0, chunk: begin },
      { ...ids, index: 1, chunk: start },
      { ...ids, index: 2, chunk: { type: 'text-delta', id: '1', delta: 'Hi' } },
    ]);
    expect(elsewhere).toEqual([]);
    expect(JSON.parse(encodeForJoiner(stream))).toEqual({
      ...ids,
      next_index: 3,
      chunks: [begin, start, { type: 'text-delta', id: '1', delta: 'Hi' }],
    });
  });

  test('has the id of the message in the log in each start, whatever the agent calls it', () => {
    const heard = follow();
    const stream = registry.open(facts());
    for (const messageId of [undefined, null, 'm1', 'm2']) {
      stream.push({ type: 'start', messageId, messageMetadata: { messageId } });
      stream.push({ type: 'data-x', data: messageId });
    }
    const starts = heard.map(({ chunk }) => chunk).filter(({ type }) => type === 'start');
    expect(starts.map((chunk) => chunk['messageId'])).toEqual(['M-S1', 'M-S1', 'M-S1', 'M-S1']);
    expect(starts[2]).toEqual({ ...begin, messageMetadata: { messageId: 'm1' } });
    expect(stream.end('finish').message).toMatchObject({ id: 'M-S1', parts: [{}, {}, {}, { data: 'm2' }] });
  });

  test('is encoded for nobody', () => {
    const toJSON = vi.fn(() => 'encoded');
    const chunk = { type: 'data-x', data: { toJSON } };
    const stream = registry.open(facts());
    stream.push(chunk);
    expect(toJSON).not.toHaveBeenCalled();
    follow();
    stream.push(chunk);
    expect(toJSON).toHaveBeenCalledTimes(1);
  });

  test('tells listeners without a topic too, each chunk and its end, until they leave', () => {
    const stream = registry.open(facts());
    const [stays, leaves] = [0, 1].map(() => ({ pushed: vi.fn(), closed: vi.fn() }));
    stream.subscribe(stays!);
    const leave = stream.subscribe(leaves!);
    stream.push(start);
    leave();
    stream.end('stopped');
    stream.close();
    expect(stays!.pushed.mock.calls.map(([, json]) => json)).toEqual([
      JSON.stringify(begin),
      JSON.stringify(start),
      '{"type":"abort"}',
    ]);
    expect(stays!.closed).toHaveBeenCalledTimes(1);
    expect(leaves!.pushed).toHaveBeenCalledTimes(2);
    expect(leaves!.closed).not.toHaveBeenCalled();
  });

  test('shows its terminal chunk at its close, once, and nothing after it', () => {
    const heard = follow();
    const stream = registry.open(facts());
    stream.push(start);
    stream.push({ type: 'finish' });
    expect(heard.map(({ chunk }) => chunk.type)).toEqual(['start', 'text-start']);
    expect(stream.ending).toMatchObject({ termination: 'finish' });
    expect(stream.end('stopped')).toMatchObject({ termination: 'stopped' });
    for (const _ of [1, 2]) stream.close();
    say(stream, 'late');
    vi.advanceTimersByTime(joinMs);
    expect(heard.map(({ index, chunk }) => [index, chunk.type])).toEqual([
      [0, 'start'],
      [1, 'text-start'],
      [2, 'abort'],
    ]);
  });

  test('shows the ending that was committed instead', () => {
    const heard = follow();
    const stream = registry.open(facts());
    stream.push({ type: 'finish' });
    stream.close('interrupted');
    expect(heard).toMatchObject([{ chunk: begin }, { chunk: { type: 'error' } }]);
  });

  test('is not closed before its end', () => {
    const stream = registry.open(facts());
    expect(() => stream.close()).toThrow('after its end');
    expect(registry.count).toBe(1);
  });
});

describe('the registry', () => {
  test('knows streams by id and session from open to close', () => {
    const [first, second] = [registry.open(facts('S1')), registry.open(facts('S2'))];
    const other = registry.open(facts('S3', 'two'));
    const held = registry.of('one' as SessionId);
    expect(held).toEqual([first, second]);
    expect(registry.find('S3' as StreamId)).toBe(other);
    expect(() => registry.open(facts('S1'))).toThrow('runs already');
    first.end('finish');
    first.close();
    expect(held).toHaveLength(2);
    expect([registry.of('one' as SessionId), registry.find('S1' as StreamId)]).toEqual([[second], undefined]);
    expect(registry.of('none' as SessionId)).toEqual([]);
    for (const stream of [second, other]) {
      stream.end('finish');
      stream.close();
    }
    expect(registry.count).toBe(0);
  });

  test('a stream that is closed is gone when its readers hear of it', () => {
    const stream = registry.open(facts());
    const found: unknown[] = [];
    stream.subscribe({ pushed: () => found.push(registry.find(facts().streamId)), closed: () => {} });
    stream.end('finish');
    stream.close();
    expect(found).toEqual([undefined]);
  });

  test('joined deltas of all streams go out at their deadlines, by one timer', () => {
    const [heard, other] = [follow(), follow('two')];
    const [stream, second] = [registry.open(facts()), registry.open(facts('S2', 'two'))];
    stream.push(start);
    say(stream, 'a');
    vi.advanceTimersByTime(10);
    second.push(start);
    say(second, 'x');
    for (const text of ['b', 'c']) say(stream, text);
    say(second, 'y');
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(joinMs - 11);
    expect([heard.length, other.length]).toEqual([3, 3]);
    vi.advanceTimersByTime(1);
    expect(heard.at(-1)).toMatchObject({ index: 3, chunk: { delta: 'bc' } });
    expect(other).toHaveLength(3);
    vi.advanceTimersByTime(10);
    expect(other.at(-1)).toMatchObject({ index: 3, chunk: { delta: 'y' } });
    expect(vi.getTimerCount()).toBe(0);
  });

  test('an earlier deadline moves the timer ahead', () => {
    const heard = follow('two');
    const [early, late] = [registry.open(facts('S1', 'two')), registry.open(facts('S2'))];
    early.push(start);
    say(early, 'a');
    vi.advanceTimersByTime(20);
    late.push(start);
    for (const text of ['x', 'y']) say(late, text);
    say(early, 'b');
    vi.advanceTimersByTime(joinMs - 20);
    expect(heard.at(-1)).toMatchObject({ chunk: { delta: 'b' } });
  });

  test('no timer is left by a close or a stop', () => {
    const [closed, left] = [registry.open(facts()), registry.open(facts('S2'))];
    for (const stream of [closed, left]) {
      stream.push(start);
      for (const text of ['a', 'b']) say(stream, text);
    }
    closed.end('finish');
    closed.close();
    expect(vi.getTimerCount()).toBe(1);
    registry.stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});
