import type { ParticipantId } from '@fleetlm/protocol';
import { quietLog, type TestDatabase, testDatabase } from '@fleetlm/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
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
  const directory = new ParticipantDirectory(db.kysely);
  expect(directory.peek(alice)).toBeUndefined();
  expect(await directory.find(alice)).toMatchObject({ kind: 'user', status: 'active' });
  expect(directory.peek(alice)).toMatchObject({ kind: 'user' });
  expect(await directory.find(stranger)).toBeNull();
  expect(directory.peek(stranger)).toBeNull();
});

test('a change on this node is seen by the next call', async () => {
  const directory = new ParticipantDirectory(db.kysely);
  await directory.find(alice);
  await upsertParticipant(db.kysely, alice, { status: 'disabled' });
  directory.changed({ id: alice, status: 'active' });
  expect(directory.peek(alice)).toBeUndefined();
  expect(await directory.find(alice)).toMatchObject({ status: 'disabled' });
});

test('forgotten while it is looked up: whoever asked is answered, and nothing old is kept', async () => {
  const directory = new ParticipantDirectory(db.kysely);
  const asked = [directory.find(bob), directory.find(bob)];
  directory.changed({ id: bob, status: 'active' });
  const after = directory.find(bob);
  await upsertParticipant(db.kysely, bob, { status: 'disabled' });
  directory.changed({ id: bob, status: 'active' });
  expect(await Promise.all([...asked, after])).toMatchObject([{ kind: 'user' }, { kind: 'user' }, {}]);
  expect(await directory.find(bob)).toMatchObject({ status: 'disabled' });
});

test('whoever listens hears of one that was disabled here, and of no other change', async () => {
  const directory = new ParticipantDirectory(db.kysely);
  const heard: string[] = [];
  directory.listen((id) => heard.push(id));
  directory.changed({ id: alice, status: 'active' });
  directory.changed({ id: bob, status: 'disabled' });
  expect(heard).toEqual([bob]);
});

test('disabled ones are found among any number, and asked of the database', async () => {
  const directory = new ParticipantDirectory(db.kysely);
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
