/** The judge of turns must itself see every way in which they can go wrong. */
import {
  findUnknownStreams,
  judgeTimeline,
  judgeTurns,
  type SeenMessage,
  type SeenTurn,
  type SessionTruth,
  type Shown,
} from '@fleetlm/testkit';
import { describe, expect, test } from 'vitest';

const agentId = 'agent:a';

function message(seq: number, clientId: string, fields: Partial<SeenMessage> = {}): SeenMessage {
  const facts = {
    id: `m${seq}`,
    seq,
    session_id: 's',
    sender_id: agentId,
    kind: 'text',
    client_id: clientId,
  };
  return { ...facts, content: { text: `text ${seq}` }, metadata: {}, ...fields };
}

function streamed(seq: number, turnId: string, termination: string, text: string): SeenMessage {
  const content = { parts: [{ type: 'text', text }] };
  return message(seq, `turn:${turnId}:0`, { kind: 'assistant', content, metadata: { termination } });
}

function turn(id: string, seq: number, status: string, fields: Partial<SeenTurn> = {}): SeenTurn {
  const range = { agent_id: agentId, session_id: 's', from_seq: seq, to_seq: seq };
  return { id, ...range, status, stream_id: null, message_id: null, reply_seq: null, ...fields };
}

/** A streamed answer; one that was cut; a turn that died, and the one that an operator made of it. */
const truth: SessionTruth = {
  wanted: [1, 3, 5].map((seq) => ({ clientId: `c${seq}`, seq, agentIds: [agentId] })),
  log: [
    message(1, 'c1', { sender_id: 'user:u' }),
    streamed(2, 't1', 'finish', 'all of it'),
    message(3, 'c3', { sender_id: 'user:u' }),
    streamed(4, 't2', 'interrupted', 'half'),
    message(5, 'c5', { sender_id: 'user:u' }),
    message(6, 'turn:t3:notice', { sender_id: 'system:fleetlm', kind: 'system' }),
    message(7, 'turn:t4:0'),
    message(8, 'turn:t4:1'),
  ],
  turns: [
    turn('t1', 1, 'completed', { stream_id: 's1', message_id: 'm2', reply_seq: 2 }),
    turn('t2', 3, 'failed', { stream_id: 's2', message_id: 'm4', reply_seq: 4 }),
    turn('t3', 5, 'dead', { reply_seq: 6 }),
    turn('t4', 5, 'completed', { reply_seq: 8 }),
  ],
  redelivered: new Set(['t4']),
  said: new Map([
    ['t1', [['all of it']]],
    ['t2', [['half of it']]],
    [
      't4',
      [
        ['text 7', 'other'],
        ['other', 'text 8'],
      ],
    ],
  ]),
};

function withTurn(id: string, fields: Partial<SeenTurn>): SessionTruth {
  return { ...truth, turns: truth.turns.map((each) => (each.id === id ? { ...each, ...fields } : each)) };
}

function withMessage(seq: number, fields: Partial<SeenMessage>): SessionTruth {
  return { ...truth, log: truth.log.map((each) => (each.seq === seq ? { ...each, ...fields } : each)) };
}

describe('of turns', () => {
  test('it finds nothing wrong with those that are right', () => {
    expect(judgeTurns(truth)).toEqual([]);
  });

  test.each<[string, SessionTruth]>([
    ['a message is in no turn', { ...truth, turns: truth.turns.slice(1) }],
    ['a message is in two turns', withTurn('t2', { from_seq: 1 })],
    ['a turn was made again by nobody', { ...truth, redelivered: new Set() }],
    ['a turn runs', withTurn('t3', { status: 'running' })],
    ['a turn is pending', withTurn('t3', { status: 'pending' })],
    ['an acknowledged message is lost', withMessage(3, { client_id: 'c9' })],
    ['an answer is lost', { ...truth, log: truth.log.slice(0, -1) }],
    ['an answer is there twice', { ...truth, log: [...truth.log, message(9, 'turn:t4:1')] }],
    ['an answer is there under two keys', { ...truth, log: [...truth.log, message(9, 'turn:t4:2')] }],
    ['an answer is of nobody', { ...truth, log: [...truth.log, message(9, 'turn:t9:0')] }],
    ['an answer is not what was said', withMessage(8, { content: { text: 'text 7' } })],
    ['an answer is cut and finished', withMessage(2, { content: { text: 'all' } })],
    ['an answer is not its stream', withTurn('t1', { message_id: 'm9' })],
    ['a turn names another answer', withTurn('t1', { reply_seq: 4 })],
    ['a cut answer calls itself finished', withMessage(4, { metadata: { termination: 'finish' } })],
    ['a cut answer is not what was said', withMessage(4, { content: { text: 'else' } })],
    ['nobody is told of a failure', withMessage(6, { kind: 'text' })],
    ['a cut answer has a notice, too', withMessage(6, { client_id: 'turn:t2:notice' })],
    ['there is a hole', withMessage(8, { seq: 9 })],
  ])('it sees that %s', (_, wrong) => {
    expect(judgeTurns(wrong)).not.toEqual([]);
  });
});

describe('of what somebody was shown', () => {
  function chunk(index: number, type = 'text-delta'): Shown {
    return { kind: 'chunk', chunk: { stream_id: 's1', message_id: 'm2', index, chunk: { type } } };
  }
  const joined: Shown = { kind: 'stream', stream: { stream_id: 's1', message_id: 'm2', next_index: 5 } };
  const reply: Shown = { kind: 'message', message: truth.log[1]! };

  test.each<[string, Shown[]]>([
    ['a whole stream', [chunk(0), chunk(1), chunk(2, 'finish'), reply]],
    ['one from where a join found it', [chunk(0), joined, chunk(5), chunk(6, 'abort'), reply]],
    ['one that another node ended', [chunk(0), chunk(1), chunk(7, 'error'), reply]],
    ['a message of which only the end was seen', [reply]],
  ])('it finds nothing wrong with %s', (_, timeline) => {
    expect(judgeTimeline('user:u', timeline)).toEqual([]);
  });

  test.each<[string, Shown[]]>([
    ['a chunk follows the end', [chunk(0), chunk(1, 'finish'), chunk(2)]],
    ['a stream ends twice', [chunk(0), chunk(1, 'error'), chunk(2, 'error')]],
    ['a chunk follows the message', [chunk(0), reply, chunk(1)]],
    ['the end follows the message', [chunk(0), reply, chunk(1, 'finish')]],
    ['a join finds a stream that is over', [reply, joined]],
    ['a chunk is missing', [chunk(0), chunk(2)]],
    ['a chunk comes twice', [chunk(0), chunk(0)]],
    ['a chunk is missing after a join', [joined, chunk(6)]],
  ])('it sees that %s', (_, timeline) => {
    expect(judgeTimeline('user:u', timeline)).not.toEqual([]);
  });

  test('it sees a stream of which no turn knows', () => {
    expect(findUnknownStreams('user:u', [chunk(0), joined], truth.turns)).toEqual([]);
    expect(findUnknownStreams('user:u', [chunk(0), joined], truth.turns.slice(1))).toHaveLength(1);
  });
});
