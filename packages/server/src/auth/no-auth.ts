import { parseParticipantId, wireError } from '@fleetlm/protocol';
import type { ParticipantDirectory } from '../conversation/participant-directory.ts';
import { fail, ok, type Result } from '../lib/result.ts';
import type { Authenticator, Credentials } from './authenticator.ts';
import { type Principal, service } from './principal.ts';

/**
 * `FLEETLM_AUTH=none`: whoever names a participant acts as that participant, whoever names nobody as the service.
 * A participant that does not exist may come in, and finds no session.
 */
export class NoAuthentication implements Authenticator {
  readonly #directory: ParticipantDirectory;

  constructor(directory: ParticipantDirectory) {
    this.#directory = directory;
  }

  async authenticate({ participantId: named }: Credentials): Promise<Result<Principal>> {
    if (named === null) return ok(service);
    const participantId = parseParticipantId(named);
    if (participantId === null)
      return fail(wireError('unauthorized', 'participant_id is not a participant id'));
    if (await this.#directory.isDisabled(participantId)) return fail(wireError('participant_disabled'));
    return ok({ kind: 'participant', participantId });
  }
}
