import { phoenixVersions } from '@fleetlm/testkit/phoenix-client';
import type { Entry } from './case.ts';
import { inboxChannelCases } from './cases/channels/inbox-cases.ts';
import { sessionChannelCases } from './cases/channels/session-cases.ts';
import { clientCases } from './cases/clients/client-cases.ts';
import { errorCases } from './cases/errors/error-cases.ts';
import { binaryCases } from './cases/frames/binary.ts';
import { broadcastCases } from './cases/frames/broadcast.ts';
import { connectionEndCases } from './cases/frames/connection-end.ts';
import { handshakeCases } from './cases/frames/handshake.ts';
import { heartbeatCases } from './cases/frames/heartbeat.ts';
import { joinCases } from './cases/frames/join.ts';
import { leaveCases } from './cases/frames/leave.ts';
import { notOfferedCases } from './cases/frames/not-offered.ts';
import { pushCases } from './cases/frames/push.ts';
import { version1Cases } from './cases/frames/version-1.ts';
import { agentCases } from './cases/rest/agent-cases.ts';
import { healthCases } from './cases/rest/health-cases.ts';
import { messageCases } from './cases/rest/message-cases.ts';
import { participantCases } from './cases/rest/participant-cases.ts';
import { sessionCases } from './cases/rest/session-cases.ts';
import { streamCases } from './cases/rest/stream-cases.ts';

/** Raw frames, in the order of phoenix-protocol.md. */
export const frameCases: readonly Entry[] = [
  ...handshakeCases,
  ...heartbeatCases,
  ...joinCases,
  ...pushCases,
  ...broadcastCases,
  ...leaveCases,
  ...connectionEndCases,
  ...binaryCases,
  ...notOfferedCases,
  ...version1Cases,
];

/** The cases of each REST call. */
export const restCases = {
  ...participantCases,
  ...sessionCases,
  ...messageCases,
  ...streamCases,
  ...agentCases,
  ...healthCases,
};

/** The cases of each event of a channel. */
export const channelCases = { session: sessionChannelCases, inbox: inboxChannelCases };

export { errorCases };

export const allCases: readonly Entry[] = [
  ...frameCases,
  ...phoenixVersions.flatMap(clientCases),
  ...Object.values(restCases).flat(),
  ...Object.values(channelCases).flatMap((events) => Object.values(events).flat()),
  ...Object.values(errorCases).flat(),
];
