import type { MessageId, ParticipantId, SessionId } from '@fleetlm/protocol';
import { Client } from 'pg';
import { Failpoints } from '../../lib/failpoints.ts';
import { monotonicUlid } from '../../lib/monotonic-ulid.ts';
import { type ConnectionTarget, toClientConfig } from '../../storage/connection.ts';
import { appendBatch, prepareAppend } from './append-transaction.ts';
import { writerSettings } from './writer-settings.ts';

/** A message as the bench makes it. */
export interface StandaloneDraft {
  readonly sessionId: string;
  readonly senderId: string;
  readonly contentJson: string;
}

const newId = monotonicUlid();
/** The sessions of a bench have no agents. */
const options = { hopLimit: 20, failpoints: new Failpoints(), resubmitted: false, hasAgents: () => false };
/** The defaults of the server; whoever measures meets neither. */
const settings = { statementTimeoutMs: 5_000, lockTimeoutMs: 500, isAsyncCommitAccepted: false };

/**
 * A writer's connection with the transaction of an append, and nothing else of the server: its ceiling, for the
 * bench to compare with. Each draft has a client_id, as those of clients have.
 */
export class StandaloneAppend {
  readonly #client: Client;

  static async connect(target: ConnectionTarget): Promise<StandaloneAppend> {
    const client = new Client(toClientConfig(target, 'fleetlm-bench'));
    await client.connect();
    await client.query(writerSettings(settings));
    await prepareAppend(client);
    return new StandaloneAppend(client);
  }

  private constructor(client: Client) {
    this.#client = client;
  }

  /** Commits one batch; throws unless all of it was stored. */
  async append(drafts: readonly StandaloneDraft[]): Promise<void> {
    const verdicts = await appendBatch(this.#client, drafts.map(identify), options);
    const refused = verdicts.find((verdict) => verdict?.outcome !== 'stored');
    if (refused !== undefined)
      throw new Error(`a draft was not stored: ${refused?.outcome ?? 'its session has agents'}`);
  }

  async close(): Promise<void> {
    await this.#client.end();
  }
}

function identify({ sessionId, senderId, contentJson }: StandaloneDraft) {
  const id = newId();
  return {
    id: id as MessageId,
    sessionId: sessionId as SessionId,
    senderId: senderId as ParticipantId,
    kind: 'text' as const,
    contentJson,
    metadataJson: '{}',
    clientId: id,
    bypassMembership: false,
    turn: null,
    trace: null,
  };
}
