import type { ParticipantId, SessionId } from '@fleetlm/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Appender } from '../../src/conversation/append/appender.ts';
import type { Draft, Outcome } from '../../src/conversation/append/draft.ts';
import { changeSession } from '../../src/conversation/sessions.ts';
import { alice, bob, createAppender, createFixture, draft, type Fixture, stranger } from './fixtures.ts';

/** More runs for the long form: FLEETLM_PROPERTY_RUNS=2000 npx vitest run append-model */
const runs = Number(process.env['FLEETLM_PROPERTY_RUNS'] ?? 40);
const sessionCount = 3;

let fixture: Fixture;
let otherNode: Appender;

beforeAll(async () => {
  fixture = await createFixture({ env: { FLEETLM_APPEND_BATCH_ROWS: '8' } });
  otherNode = await createAppender(fixture.database.target);
});

afterAll(async () => {
  await otherNode.stop();
  await fixture[Symbol.asyncDispose]();
});

interface Send {
  readonly type: 'send';
  readonly session: number;
  readonly sender: ParticipantId;
  readonly key: string | null;
  readonly text: 'a' | 'b';
  readonly poison: boolean;
  readonly node: 0 | 1;
}

interface SetStatus {
  readonly type: 'status';
  readonly session: number;
  readonly status: 'open' | 'closed';
}

const send: fc.Arbitrary<Send> = fc.record({
  type: fc.constant('send'),
  session: fc.nat(sessionCount - 1),
  sender: fc.oneof(
    { weight: 6, arbitrary: fc.constant(alice) },
    { weight: 3, arbitrary: fc.constant(bob) },
    { weight: 1, arbitrary: fc.constant(stranger) },
  ),
  key: fc.option(fc.constantFrom('k1', 'k2', 'k3'), { nil: null, freq: 3 }),
  text: fc.constantFrom('a', 'b'),
  poison: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  node: fc.constantFrom(0, 1),
});

const setStatus: fc.Arbitrary<SetStatus> = fc.record({
  type: fc.constant('status'),
  session: fc.nat(sessionCount - 1),
  status: fc.constantFrom('open', 'closed'),
});

/** Steps that run one after the other; the operations of a step run at the same time. */
const sends = fc.array(fc.array(send, { minLength: 1, maxLength: 25 }), { minLength: 1, maxLength: 6 });

function toDraft(ids: readonly SessionId[], operation: Send): Draft {
  const { session, sender, key, text, poison } = operation;
  const contentJson = poison ? '{"text":' : JSON.stringify({ text });
  return draft(ids[session]!, '', { senderId: sender, clientId: key, contentJson });
}

describe('one node', () => {
  /** What the log should be, by the simplest program that can say it. */
  class Model {
    readonly logs: { sender: string; text: string; key: string | null }[][] = Array.from(
      { length: sessionCount },
      () => [],
    );
    readonly open = Array.from({ length: sessionCount }, () => true);

    send({ session, sender, key, text, poison }: Send): unknown {
      if (poison) return { kind: 'invalid' };
      const log = this.logs[session]!;
      const twin =
        key === null ? -1 : log.findIndex((message) => message.sender === sender && message.key === key);
      if (twin >= 0)
        return log[twin]!.text === text
          ? { kind: 'duplicate', message: { seq: twin + 1 } }
          : { kind: 'conflict' };
      if (sender === stranger) return { kind: 'not_a_member' };
      if (!this.open[session]) return { kind: 'session_closed' };
      log.push({ sender, text, key });
      return { kind: 'stored', message: { seq: log.length } };
    }
  }

  test('any interleaving of append, retry, duplicate, conflict, poison and close ends as the model says', async () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.array(send, { minLength: 1, maxLength: 25 }).map(withDistinctKeys) },
      { weight: 1, arbitrary: setStatus },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
        const ids = await createSessions();
        const model = new Model();
        for (const operation of steps) {
          if (!Array.isArray(operation)) {
            await changeSession(fixture.db.kysely, ids[operation.session]!, { status: operation.status });
            model.open[operation.session] = operation.status === 'open';
            continue;
          }
          const outcomes = await Promise.all(operation.map((one) => fixture.append(toDraft(ids, one))));
          expect(outcomes).toMatchObject(operation.map((one) => model.send(one)));
        }
        for (const [index, id] of ids.entries()) {
          const expected = model.logs[index]!.map(({ sender, text }, position) => [
            position + 1,
            sender,
            { text },
          ]);
          expect(await fixture.log(id)).toEqual(expected);
        }
      }),
      { numRuns: runs },
    );
  });

  /** Without followers the outcome of every draft follows from the order of submission alone. */
  function withDistinctKeys(operations: readonly Send[]): Send[] {
    const seen = new Set<string>();
    return operations.map((operation) => {
      const key = `${operation.session} ${operation.sender} ${operation.key}`;
      const isFirst = !seen.has(key);
      seen.add(key);
      return isFirst ? operation : { ...operation, key: null };
    });
  }
});

describe('two nodes at once', () => {
  test('racing retries and sends never store a key twice, and every answer agrees with the log', async () => {
    await fc.assert(
      fc.asyncProperty(sends, async (steps) => {
        const ids = await createSessions();
        const answered: { operation: Send; outcome: Outcome }[] = [];
        for (const operations of steps) {
          const outcomes = await Promise.all(operations.map((operation) => sendByNode(ids, operation)));
          for (const [index, operation] of operations.entries()) {
            answered.push({ operation, outcome: outcomes[index]! });
          }
        }
        for (const [session, id] of ids.entries()) {
          await checkLog(
            id,
            answered.filter(({ operation }) => operation.session === session),
          );
        }
      }),
      { numRuns: runs },
    );
  });

  function sendByNode(ids: readonly SessionId[], operation: Send): Promise<Outcome> {
    const appender = operation.node === 0 ? fixture.appender : otherNode;
    return new Promise((resolve) => appender.append(toDraft(ids, operation), resolve));
  }

  async function checkLog(
    id: SessionId,
    answered: readonly { operation: Send; outcome: Outcome }[],
  ): Promise<void> {
    const log = await fixture.log(id);
    expect(log.map(([seq]) => seq)).toEqual(log.map((_, index) => index + 1));
    const stored = answered.filter(({ outcome }) => outcome.kind === 'stored');
    expect(stored).toHaveLength(log.length);

    for (const { operation, outcome } of answered) {
      if (operation.poison) {
        // Behind another message with its key it is not even tried.
        expect(operation.key === null ? ['invalid'] : ['invalid', 'conflict']).toContain(outcome.kind);
      } else if (operation.sender === stranger) {
        expect(outcome.kind).toBe('not_a_member');
      } else if (outcome.kind === 'conflict') {
        expect(textOfKey(stored, operation)).toBe(operation.text === 'a' ? 'b' : 'a');
      } else {
        expect(['stored', 'duplicate']).toContain(outcome.kind);
        const { seq } = (outcome as Extract<Outcome, { message: unknown }>).message;
        expect(log[seq - 1]).toEqual([seq, operation.sender, { text: operation.text }]);
      }
    }
  }

  function textOfKey(stored: readonly { operation: Send }[], { sender, key }: Send): string | undefined {
    return stored.find(({ operation }) => operation.sender === sender && operation.key === key)?.operation
      .text;
  }
});

function createSessions(): Promise<SessionId[]> {
  return Promise.all(Array.from({ length: sessionCount }, () => fixture.session()));
}
