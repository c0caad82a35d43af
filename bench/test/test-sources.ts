import { startTestServer, type TestDatabase, testDatabase } from '@fleetlm/testkit';
import type { Sources } from '../src/bench.ts';
import { benchEnvironment, ownServer } from '../src/own-server.ts';
import type { BenchDatabase } from '../src/postgres.ts';

/** Cheaper than what the bench starts: the Postgres of the test run, and servers in this process. */
export class TestSources implements Sources, AsyncDisposable {
  readonly #databases = new Map<string, TestDatabase>();

  readonly startPostgres: Sources['startPostgres'] = async () => ({
    pid: null,
    description: 'that of the tests',
    createDatabase: (name) => this.#createDatabase(name),
    [Symbol.asyncDispose]: () => this[Symbol.asyncDispose](),
  });

  readonly startServer: Sources['startServer'] = async (database, env) => {
    const server = await startTestServer({
      database: database as TestDatabase,
      env: { ...benchEnvironment, ...env },
    });
    return ownServer({ url: server.url, pid: null }, server);
  };

  /** The one that a scenario has asked for. */
  databaseOf(name: string): BenchDatabase {
    const database = this.#databases.get(name);
    if (database === undefined) throw new Error(`no scenario has asked for a database ${name}`);
    return database;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const database of this.#databases.values()) await database[Symbol.asyncDispose]();
    this.#databases.clear();
  }

  async #createDatabase(name: string): Promise<BenchDatabase> {
    const database = await testDatabase();
    this.#databases.set(name, database);
    return database;
  }
}
