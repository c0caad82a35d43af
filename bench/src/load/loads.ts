import { openAppend } from './append.ts';
import { openAppendStatement } from './append-statement.ts';
import { openCatchUp } from './catch-up.ts';
import { openColdJoin } from './cold-join.ts';
import { openFanOut } from './fan-out.ts';
import { openBareIdle, openIdle } from './idle.ts';
import { openInboxPages } from './inbox-pages.ts';
import { openInboxUpdates } from './inbox-updates.ts';
import { openJoin } from './join.ts';
import { openOneRowCommit } from './one-row-commit.ts';
import { openPaced } from './paced.ts';
import { openBareFanOut, openSocketIoFanOut } from './peer-fan-out.ts';
import { openReconnect } from './reconnect.ts';
import { openRequests } from './requests.ts';
import { openSocketIoAppend } from './socket-io-append.ts';

/** What a load process can do, by name. */
export const loads = {
  append: openAppend,
  'append statement': openAppendStatement,
  'catch up': openCatchUp,
  'inbox pages': openInboxPages,
  'inbox updates': openInboxUpdates,
  join: openJoin,
  'cold join': openColdJoin,
  'one-row commit': openOneRowCommit,
  paced: openPaced,
  reconnect: openReconnect,
  requests: openRequests,
  'socket.io append': openSocketIoAppend,
  'fan-out': openFanOut,
  'bare fan-out': openBareFanOut,
  'socket.io fan-out': openSocketIoFanOut,
  idle: openIdle,
  'bare idle': openBareIdle,
};

export type Loads = typeof loads;
export type LoadName = keyof Loads;
