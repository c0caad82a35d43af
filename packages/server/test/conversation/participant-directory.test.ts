import type { ParticipantId } from '@fleetlm/protocol';
import { quietLog, type TestDatabase, testDatabase, waitUntil } from '@fleetlm/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ParticipantDirectory } from '../../src/conversation/participant-directory.ts';
import { upsertParticipant } from '../../src/conversation/participants.ts';
import { type Db, openDatabase } from '../../src/storage/database.ts';
import { alice, bob, stranger } from './fixtures.ts';

let database: TestDatabase;
let db: Db;

beforeAll(async () => {
  database = await testDatabase();
  db = openDatabase(database.target, 2, quietLog);
  for (const id of [alice, bob]) await upsertParticipant(db.kysely, id, {});
});
afterAll(async () => {
  await db.close();
  await database[Symbol.asyncDispose]();
});

test('a participant is known once it was looked up; one that is absent is null', async () => {
  const directory = new ParticipantDirectory(db);
  expect(directory.peek(alice)).toBeUndefined();
  expect(await directory.find(alice)).toMatchObject({ kind: 'user', status: 'active' });
  expect(directory.peek(alice)).toMatchObject({ kind: 'user' });
  expect(await directory.find(stranger)).toBeNull();
  expect(directory.peek(stranger)).toBeNull();
});

test('a change on this node is seen by the next call', async () => {
  const directory = new ParticipantDirectory(db);
  await directory.find(alice);
  await upsertParticipant(db.kysely, alice, { status: 'disabled' });
  directory.changed({ id: alice, status: 'active' });
  expect(directory.peek(alice)).toBeUndefined();
  expect(await directory.find(alice)).toMatchObject({ status: 'disabled' });
});

test('forgotten while it is looked up: whoever asked is answered, and nothing old is kept', async () => {
  const directory = new ParticipantDirectory(db);
  const asked = [directory.find(bob), directory.find(bob)];
  directory.changed({ id: bob, status: 'active' });
  const after = directory.find(bob);
  await upsertParticipant(db.kysely, bob, { status: 'disabled' });
  directory.changed({ id: bob, status: 'active' });
  expect(await Promise.all([...asked, after])).toMatchObject([{ kind: 'user' }, { kind: 'user' }, {}]);
  expect(await directory.find(bob)).toMatchObject({ status: 'disabled' });
});

test('whoever listens hears of one that was disabled here, and of no other change', async () => {
  const directory = new ParticipantDirectory(db);
  const heard: string[] = [];
  directory.listen((id) => heard.push(id));
  directory.changed({ id: alice, status: 'active' });
  directory.changed({ id: bob, status: 'disabled' });
  expect(heard).toEqual([bob]);
});

test('disabled ones are found among any number, and asked of the database', async () => {
  const directory = new ParticipantDirectory(db);
  await upsertParticipant(db.kysely, alice, { status: 'active' });
  await upsertParticipant(db.kysely, bob, { status: 'active' });
  expect(await directory.isDisabled(bob)).toBe(false);
  expect(await directory.isDisabled(stranger)).toBe(false);
  await upsertParticipant(db.kysely, bob, { status: 'disabled' });
  expect(await directory.isDisabled(bob)).toBe(false); // remembered, for 5 s
  const others = Array.from({ length: 70_000 }, (_, n) => `user:${n}` as ParticipantId);
  expect(await directory.findDisabled([...others, alice, bob, stranger])).toEqual([bob]);
  expect(await directory.isDisabled(bob)).toBe(true);
  expect(await directory.findDisabled([])).toEqual([]);
});

describe('what is too old', () => {
  const clock = { time: 0, now: () => clock.time };

  async function knownForTooLong(id: ParticipantId): Promise<ParticipantDirectory> {
    const directory = new ParticipantDirectory(db, clock);
    await directory.find(id);
    clock.time += 60_000;
    return directory;
  }

  test('is not believed: somebody who was disabled elsewhere is found to be', async () => {
    const directory = await knownForTooLong(bob);
    await upsertParticipant(db.kysely, bob, { status: 'disabled' });
    expect(await directory.isDisabled(bob)).toBe(true);
    await upsertParticipant(db.kysely, bob, { status: 'active' });
  });

  test('serves a look without waiting once, and is looked up anew', async () => {
    const directory = await knownForTooLong(bob);
    await upsertParticipant(db.kysely, bob, { status: 'disabled' });
    expect(directory.peek(bob)?.status).toBe('active');
    await waitUntil(() => directory.peek(bob)?.status === 'disabled');
    await upsertParticipant(db.kysely, bob, { status: 'active' });
  });
});
