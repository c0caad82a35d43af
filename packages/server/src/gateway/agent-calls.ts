import {
  type Delivery,
  type EndpointBody,
  type EndpointTest,
  type Endpoint as EndpointView,
  type Participant,
  type ParticipantId,
  type SessionId,
  type Turn,
  type TurnId,
  type TurnStatus,
  wireError,
} from '@fleetlm/protocol';
import { callFacts, type Endpoint } from '../agents/endpoints/endpoint.ts';
import type { Endpoints } from '../agents/endpoints/endpoints.ts';
import { testCall } from '../agents/test-call.ts';
import { listDeliveries } from '../agents/turns/delivery-log.ts';
import { listTurns } from '../agents/turns/list-turns.ts';
import { redeliverTurn } from '../agents/turns/redeliver-turn.ts';
import type { WebhookClient } from '../agents/webhook/webhook-client.ts';
import type { Principal } from '../auth/principal.ts';
import { findParticipant } from '../conversation/participants.ts';
import { fail, ok, type Result } from '../lib/result.ts';
import type { Db } from '../storage/database.ts';
import { viewChangedEndpoint, viewEndpoint, viewTest } from './agent-views.ts';
import { invalidField } from './invalid-field.ts';
import { decodePageCursor, type Page, toPage } from './page.ts';

export interface AgentCallsOptions {
  readonly db: Db;
  readonly endpoints: Endpoints;
  readonly webhooks: WebhookClient;
  /** Ends calls that are under way. */
  readonly signal: AbortSignal;
  /** A turn of this session may be called at once. */
  readonly onRedelivered: (sessionId: SessionId) => void;
}

export interface PageQuery {
  readonly cursor?: string | undefined;
  readonly limit: number;
}

/** What of a list is asked for: items older than `before`. */
interface PageRange {
  readonly before: string | undefined;
  readonly limit: number;
}

/** Whoever tests waits for the answer to one HTTP request: proxies give up on it after a minute. */
const maxTestMs = 50_000;

/** What the service, and nobody else, does with agents' endpoints, turns and deliveries. */
export class AgentCalls {
  readonly #options: AgentCallsOptions;

  constructor(options: AgentCallsOptions) {
    this.#options = options;
  }

  async getEndpoint(principal: Principal, id: ParticipantId | null): Promise<Result<EndpointView>> {
    const found = await this.#findEndpoint(principal, id);
    return found.ok ? ok(viewEndpoint(found.value)) : found;
  }

  /** Makes an endpoint, or changes the given fields of the one that is there. */
  async putEndpoint(
    principal: Principal,
    id: ParticipantId | null,
    change: EndpointBody,
  ): Promise<Result<EndpointView>> {
    const agent = await this.#findAgent(principal, id);
    if (!agent.ok) return agent;
    const put = await this.#options.endpoints.put(agent.value, change);
    return put.ok ? ok(viewChangedEndpoint(put.value)) : put;
  }

  /** Takes an agent's endpoint away: no turns any more. Returns what it was. */
  async deleteEndpoint(principal: Principal, id: ParticipantId | null): Promise<Result<EndpointView>> {
    const agent = await this.#findParticipant(principal, id);
    if (!agent.ok) return agent;
    const removed = await this.#options.endpoints.remove(agent.value);
    return removed ? ok(viewEndpoint(removed)) : fail(wireError('endpoint_not_found'));
  }

  /** A new signing secret, shown this once; the old one signs as well for a day. */
  async rotateSecret(principal: Principal, id: ParticipantId | null): Promise<Result<EndpointView>> {
    const agent = await this.#findParticipant(principal, id);
    if (!agent.ok) return agent;
    const rotated = await this.#options.endpoints.rotateSecret(agent.value);
    return rotated ? ok(viewChangedEndpoint(rotated)) : fail(wireError('endpoint_not_found'));
  }

  /** Calls the endpoint once with a sample, disabled or not, and says what came. */
  async testEndpoint(principal: Principal, id: ParticipantId | null): Promise<Result<EndpointTest>> {
    const found = await this.#findEndpoint(principal, id);
    if (!found.ok) return found;
    const { webhooks, signal } = this.#options;
    const { agentId } = found.value;
    const facts = callFacts(found.value, Date.now());
    const maxDurationMs = Math.min(facts.limits.maxDurationMs, maxTestMs);
    const limited = { ...facts, limits: { ...facts.limits, maxDurationMs } };
    return ok(viewTest(await testCall(webhooks, limited, { agentId, signal })));
  }

  /** An agent's turns, newest first. */
  async listTurns(
    principal: Principal,
    id: ParticipantId | null,
    { status, ...page }: PageQuery & { readonly status?: TurnStatus | undefined },
  ): Promise<Result<Page<Turn>>> {
    return this.#listPage(principal, id, page, (agentId, range) =>
      listTurns(this.#options.db.kysely, agentId, { status, ...range }),
    );
  }

  /** The attempts to call an agent, newest first. */
  async listDeliveries(
    principal: Principal,
    id: ParticipantId | null,
    page: PageQuery,
  ): Promise<Result<Page<Delivery>>> {
    return this.#listPage(principal, id, page, (agentId, range) =>
      listDeliveries(this.#options.db.kysely, agentId, range),
    );
  }

  /** A new turn over what a failed, dead or stopped one did not answer. */
  async redeliver(
    principal: Principal,
    id: ParticipantId | null,
    turnId: TurnId | null,
  ): Promise<Result<Turn>> {
    // Without an endpoint the turn would wait for nobody.
    const found = await this.#findEndpoint(principal, id);
    if (!found.ok) return found;
    const made = await redeliverTurn(this.#options.db.kysely, found.value.agentId, turnId);
    if (made.ok) this.#options.onRedelivered(made.value.session_id);
    return made;
  }

  /** Of what an agent has, newest first. */
  async #listPage<Item extends { readonly id: string }>(
    principal: Principal,
    id: ParticipantId | null,
    { cursor, limit }: PageQuery,
    list: (agentId: ParticipantId, range: PageRange) => Promise<Item[]>,
  ): Promise<Result<Page<Item>>> {
    const agent = await this.#findParticipant(principal, id);
    if (!agent.ok) return agent;
    const before = decodePageCursor(cursor);
    if (!before.ok) return before;
    const items = await list(agent.value, { before: before.value, limit: limit + 1 });
    return ok(toPage(items, limit, (item) => item.id));
  }

  async #findEndpoint(principal: Principal, id: ParticipantId | null): Promise<Result<Endpoint>> {
    const agent = await this.#findParticipant(principal, id);
    if (!agent.ok) return agent;
    const endpoint = await this.#options.endpoints.read(agent.value);
    return endpoint ? ok(endpoint) : fail(wireError('endpoint_not_found'));
  }

  async #findAgent(principal: Principal, id: ParticipantId | null): Promise<Result<ParticipantId>> {
    const found = await this.#find(principal, id);
    if (!found.ok || found.value.kind === 'agent') return found.ok ? ok(found.value.id) : found;
    return fail(
      invalidField('id', `is a ${found.value.kind}: only participants of kind agent get an endpoint`),
    );
  }

  /** Also of another kind: what an agent has left stays to be seen, and taken away, when it is one no longer. */
  async #findParticipant(principal: Principal, id: ParticipantId | null): Promise<Result<ParticipantId>> {
    const found = await this.#find(principal, id);
    return found.ok ? ok(found.value.id) : found;
  }

  /** Participants are told that they may not before anything is looked up. */
  async #find(principal: Principal, id: ParticipantId | null): Promise<Result<Participant>> {
    if (principal.kind !== 'service') {
      return fail(wireError('forbidden', 'only the service may see and change how agents are called'));
    }
    const found = id === null ? undefined : await findParticipant(this.#options.db.kysely, id);
    return found ? ok(found) : fail(wireError('participant_not_found'));
  }
}
