/** The judge of the kill tests must itself see every way in which a log can be wrong. */
import { AppendOracle, compareWithLog, type SeenMessage } from '@fleetlm/testkit';
import { beforeEach, describe, expect, test } from 'vitest';

let oracle: AppendOracle;
let log: SeenMessage[];

/** Three messages in turn, each acknowledged before the next. */
beforeEach(() => {
  oracle = new AppendOracle();
  log = [1, 2, 3].map((seq) => {
    const wanted = oracle.begin({ sessionId: 's', senderId: 'user:a', content: { seq }, metadata: {} });
    const { sessionId, senderId, clientId, kind, content, metadata } = wanted;
    oracle.acknowledge(wanted, { id: `m${seq}`, seq });
    return {
      id: `m${seq}`,
      seq,
      session_id: sessionId,
      sender_id: senderId,
      kind,
      content,
      metadata,
      client_id: clientId,
    };
  });
});

/** The log with changes to one message. */
function change(seq: number, fields: Partial<SeenMessage>): SeenMessage[] {
  return log.map((message) => (message.seq === seq ? { ...message, ...fields } : message));
}

describe('the oracle', () => {
  test('finds nothing wrong with a log that is right', () => {
    expect(oracle.judge('s', log)).toEqual([]);
  });

  test.each<[string, () => SeenMessage[]]>([
    ['an acknowledged message is lost', () => log.slice(0, 2)],
    ['there is a hole', () => change(3, { seq: 4 })],
    ['a message is there twice', () => [...log, { ...log[0]!, id: 'm4', seq: 4 }]],
    ['a seq is there twice', () => change(3, { seq: 2 })],
    ['the content is another', () => change(2, { content: { seq: '2' } })],
    ['the metadata is another', () => change(2, { metadata: { n: 1 } })],
    ['the id is not the acknowledged one', () => change(2, { id: 'm9' })],
    ['the sender is another', () => change(2, { sender_id: 'user:b' })],
    ['nobody sent it', () => [...log, { ...log[0]!, id: 'm4', seq: 4, client_id: 'c9' }]],
    [
      'two are exchanged',
      () => [log[1]!, log[0]!, log[2]!].map((message, index) => ({ ...message, seq: index + 1 })),
    ],
  ])('sees that %s', (_, wrong) => {
    expect(oracle.judge('s', wrong())).not.toEqual([]);
  });

  test('sees that a message was never acknowledged', () => {
    oracle.begin({ sessionId: 's', senderId: 'user:a', content: {}, metadata: {} });
    expect(oracle.judge('s', log)).toEqual(['s: c3 was never acknowledged']);
  });

  test('sees that what was sent after an acknowledgement stands before it', () => {
    const [first, second] = [1, 2].map((n) => {
      const wanted = oracle.begin({ sessionId: 't', senderId: 'user:a', content: { n }, metadata: {} });
      oracle.acknowledge(wanted, { id: `t${n}`, seq: 3 - n });
      return {
        ...log[0]!,
        id: `t${n}`,
        seq: 3 - n,
        session_id: 't',
        content: { n },
        client_id: wanted.clientId,
      };
    });
    expect(oracle.judge('t', [second!, first!])).toEqual([
      't: c4 was sent after the acknowledgement of seq 2, and got 1',
    ]);
  });
});

test('a follower that saw less, more or something else is told', () => {
  expect(compareWithLog('user:a', log, log)).toEqual([]);
  for (const seen of [log.slice(1), [...log, log[2]!], change(2, { content: {} })]) {
    expect(compareWithLog('user:a', seen, log)).not.toEqual([]);
  }
});
