import type { EndpointBody, ParticipantId } from '@fleetlm/protocol';
import { type Kysely, sql } from 'kysely';
import { addAgentToSessions } from '../../conversation/add-agent-to-sessions.ts';
import type { Log } from '../../lib/log.ts';
import { fail, ok, type Result } from '../../lib/result.ts';
import type { Db } from '../../storage/database.ts';
import type { Database } from '../../storage/schema.ts';
import type { AddressGuard } from '../webhook/address-guard.ts';
import { newSigningSecret } from '../webhook/signature.ts';
import type { Endpoint } from './endpoint.ts';
import { newRow, toColumns, toEndpoint } from './endpoint-row.ts';
import { findEndpointProblem } from './find-endpoint-problem.ts';

/** An endpoint as a call left it. */
export interface ChangedEndpoint {
  readonly endpoint: Endpoint;
  /** Whether this call made its signing secret: only then is it shown. */
  readonly hasNewSecret: boolean;
}

export interface EndpointsOptions {
  readonly db: Db;
  readonly guard: AddressGuard;
  readonly log: Log;
}

/** How long the old secret signs as well: receivers are changed by people, who may be asleep. */
const rotation = sql<string>`interval '24 hours'`;

/** The endpoints of agents, one each at most. Nothing is kept in memory: each call sees what was stored last. */
export class Endpoints {
  readonly #options: EndpointsOptions;
  readonly #kysely: Kysely<Database>;

  constructor(options: EndpointsOptions) {
    this.#options = options;
    this.#kysely = options.db.kysely;
  }

  /** An agent's endpoint; null when it has none. */
  async read(agentId: ParticipantId): Promise<Endpoint | null> {
    const row = await this.#kysely
      .selectFrom('agent_endpoints')
      .selectAll()
      .where('agent_id', '=', agentId)
      .executeTakeFirst();
    return row ? toEndpoint(row) : null;
  }

  /** Makes an agent's endpoint, or changes what is given of the one that is there. The agent exists. */
  async put(agentId: ParticipantId, change: EndpointBody): Promise<Result<ChangedEndpoint>> {
    const stored = await this.#store(agentId, change);
    if (!stored.ok) return stored;
    // Also when it was there already: a session may have been made while the agent was none.
    await addAgentToSessions(this.#options.db, agentId);
    return stored;
  }

  /** The endpoint that was removed; null when there was none. Turns that are pending wait for the next one. */
  async remove(agentId: ParticipantId): Promise<Endpoint | null> {
    const row = await this.#kysely
      .deleteFrom('agent_endpoints')
      .where('agent_id', '=', agentId)
      .returningAll()
      .executeTakeFirst();
    return row ? toEndpoint(row) : null;
  }

  /** A new signing secret; the one before signs as well for a day. Null when there is no endpoint. */
  async rotateSecret(agentId: ParticipantId): Promise<ChangedEndpoint | null> {
    const row = await this.#kysely
      .updateTable('agent_endpoints')
      .set((old) => ({
        signing_secret: newSigningSecret(),
        previous_secret: old.ref('signing_secret'),
        previous_secret_until: sql<string>`now() + ${rotation}`,
        updated_at: sql<string>`now()`,
      }))
      .where('agent_id', '=', agentId)
      .returningAll()
      .executeTakeFirst();
    return row ? { endpoint: toEndpoint(row), hasNewSecret: true } : null;
  }

  /** No calls any more until somebody enables it: the endpoint has said so (410). */
  async disable(agentId: ParticipantId, reason: string): Promise<void> {
    const { numUpdatedRows } = await this.#kysely
      .updateTable('agent_endpoints')
      .set({ status: 'disabled', updated_at: sql<string>`now()` })
      .where('agent_id', '=', agentId)
      .where('status', '=', 'enabled')
      .executeTakeFirstOrThrow();
    if (numUpdatedRows > 0n) this.#options.log.warn({ agentId, reason }, 'endpoint disabled');
  }

  /** What is there is locked while the change is judged; two that make one at once meet at its key. */
  async #store(agentId: ParticipantId, change: EndpointBody): Promise<Result<ChangedEndpoint>> {
    return this.#kysely.transaction().execute(async (transaction) => {
      const before = await transaction
        .selectFrom('agent_endpoints')
        .selectAll()
        .where('agent_id', '=', agentId)
        .forUpdate()
        .executeTakeFirst();
      const problem = findEndpointProblem(before ? toEndpoint(before) : null, change, this.#options.guard);
      if (problem !== null) return fail(problem);
      const secret = newSigningSecret();
      const after = await (before
        ? transaction
            .updateTable('agent_endpoints')
            .set({ ...toColumns(change), updated_at: sql<string>`now()` })
            .where('agent_id', '=', agentId)
        : transaction
            .insertInto('agent_endpoints')
            .values(newRow(agentId, change, secret))
            .onConflict((conflict) => conflict.column('agent_id').doUpdateSet(toColumns(change)))
      )
        .returningAll()
        .executeTakeFirstOrThrow();
      const endpoint = toEndpoint(after);
      return ok({ endpoint, hasNewSecret: endpoint.signingSecret === secret });
    });
  }
}
