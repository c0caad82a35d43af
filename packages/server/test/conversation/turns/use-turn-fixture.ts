import { Client } from 'pg';
import { afterAll, beforeAll } from 'vitest';
import { createFixture, type Fixture, type FixtureOptions } from '../fixtures.ts';
import { addAgents, addEndpoint, bot, helper } from './turn-fixture.ts';

export interface TurnWorld {
  readonly fixture: Fixture;
  /** A connection of its own, for what no code of ours does. */
  readonly admin: Client;
}

/** A database with two agents that are called at once, for all tests of a file. */
export function useTurnFixture(take: (world: TurnWorld) => void, options?: FixtureOptions): void {
  let world: TurnWorld;
  beforeAll(async () => {
    const fixture = await createFixture(options);
    await addAgents(fixture.db, bot, helper);
    await addEndpoint(fixture.db, bot);
    await addEndpoint(fixture.db, helper);
    world = { fixture, admin: new Client(fixture.database.target) };
    await world.admin.connect();
    take(world);
  });
  afterAll(async () => {
    await world.admin.end();
    await world.fixture[Symbol.asyncDispose]();
  });
}
