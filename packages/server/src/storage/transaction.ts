import type { Client, Connection, Submittable } from 'pg';

/** A parameter: Postgres' text for a value, its binary form, or null. */
export type Parameter = string | Buffer | null;

/** A statement that is prepared as it runs. */
interface TextStatement {
  readonly text: string;
  readonly values?: readonly Parameter[];
}

/** One of these, or one that was prepared under this name on the connection. */
export type Statement = TextStatement | { readonly name: string; readonly values: readonly Parameter[] };

/** A row as Postgres writes it: the text of each column, or null. */
export type TextRow = readonly (string | null)[];

/** What comes behind the first statements, when their rows are there and before anything is committed. */
export type NextStatements = (
  results: readonly TextRow[][],
) => Promise<readonly Statement[]> | readonly Statement[];

/**
 * Runs statements in one transaction and one round trip (two with `next`), and returns the rows of each once it is
 * committed. Throws what Postgres says when it is not. The client must not be in pipeline mode.
 *
 * There is no `begin` and no `commit`: statements of the extended protocol up to the next Sync are one transaction
 * (https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-PIPELINING). When one fails the rest are
 * skipped, so that none can run alone; and nothing is parsed, planned or answered but the work itself.
 */
export function runTransaction(
  client: Client,
  statements: readonly Statement[],
  next: NextStatements | null = null,
): Promise<TextRow[][]> {
  const transaction = new Transaction(statements, next);
  client.query(transaction);
  return transaction.committed;
}

/** One transaction on its way. `pg` calls it: `submit` when it is its turn, then a handler for each answer. */
class Transaction implements Submittable {
  readonly #statements: readonly Statement[];
  readonly #outcome = Promise.withResolvers<TextRow[][]>();
  readonly #results: TextRow[][] = [];
  #next: NextStatements | null;
  #rows: TextRow[] = [];
  #hasFailed = false;

  constructor(statements: readonly Statement[], next: NextStatements | null) {
    this.#statements = statements;
    this.#next = next;
  }

  get committed(): Promise<TextRow[][]> {
    return this.#outcome.promise;
  }

  submit(connection: Connection): null {
    connection.stream.cork();
    for (const statement of this.#statements) write(connection, statement);
    if (this.#next === null) connection.sync();
    else connection.flush();
    connection.stream.uncork();
    return null;
  }

  handleDataRow({ fields }: { readonly fields: TextRow }): void {
    this.#rows.push(fields);
  }

  handleCommandComplete(_message: unknown, connection: Connection): void {
    this.#results.push(this.#rows);
    this.#rows = [];
    if (this.#next !== null && this.#results.length === this.#statements.length) void this.#goOn(connection);
  }

  /** Nothing is committed before this. */
  handleReadyForQuery(): void {
    this.#outcome.resolve(this.#results);
  }

  /** Also called when the connection is lost. */
  handleError(error: Error, connection: Connection): void {
    this.#hasFailed = true;
    this.#outcome.reject(error);
    // Postgres skips everything up to the Sync, which is not there yet while something is to come.
    if (this.#next !== null) connection.sync();
    this.#next = null;
  }

  async #goOn(connection: Connection): Promise<void> {
    const statements = await this.#decide();
    // Whatever has failed meanwhile has sent the Sync.
    if (this.#hasFailed) return;
    this.#next = null;
    connection.stream.cork();
    for (const statement of statements) write(connection, statement);
    connection.sync();
    connection.stream.uncork();
  }

  async #decide(): Promise<readonly Statement[]> {
    try {
      return await this.#next!(this.#results);
    } catch (error) {
      this.#outcome.reject(error);
      return [{ text: 'rollback' }];
    }
  }
}

function write(connection: Connection, statement: Statement): void {
  const { values = [] } = statement;
  const name = 'name' in statement ? statement.name : '';
  if ('text' in statement) connection.parse({ name, text: statement.text, types: [] }, true);
  connection.bind({ statement: name, values: values as Parameter[] }, true);
  connection.execute({}, true);
}
