import { type ParticipantId, wireError } from '@fleetlm/protocol';
import type { Principal } from '../auth/principal.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { InboxReader, InboxServer } from '../inbox/inbox-server.ts';
import { ok, type Result } from '../lib/result.ts';
import type { Broadcast } from '../pubsub/broadcast.ts';
import type { Channel, ChannelPort, Reply } from './channel.ts';

export interface InboxChannelOptions {
  readonly gateway: Gateway;
  readonly principal: Principal;
  /** Null: the topic names nothing that can be a participant. */
  readonly participantId: ParticipantId | null;
  readonly port: ChannelPort;
}

/** `inbox:<participant>`: one client that follows an inbox. It has nothing to ask; updates come by themselves. */
export class InboxChannel implements Channel, InboxReader {
  readonly #options: InboxChannelOptions;
  #server: InboxServer | null = null;
  #hasLeft = false;

  constructor(options: InboxChannelOptions) {
    this.#options = options;
  }

  async join(): Promise<Result<string>> {
    const { gateway, principal, participantId } = this.#options;
    const followed = await gateway.inboxes.follow(principal, participantId, this);
    if (!followed.ok) return followed;
    this.#server = followed.value;
    if (this.#hasLeft) this.#server.detach(this);
    // Every update with a greater version reaches this channel; one that is in the snapshot already may, too.
    return ok(JSON.stringify(this.#server.snapshot));
  }

  joined(): void {}

  handle(event: string, _payload: object, reply: Reply): void {
    reply.error(wireError('unknown_event', `there is no event "${event}"`));
  }

  /** Every push was answered at once. */
  settle(): void {}

  leave(): void {
    this.#hasLeft = true;
    this.#server?.detach(this);
  }

  deliver(broadcast: Broadcast): void {
    this.#options.port.deliver(broadcast);
  }

  failed(error: unknown): void {
    this.#options.port.crash(error);
  }
}
