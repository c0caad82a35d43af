import { openAppend } from './append.ts';
import { openAppendStatement } from './append-statement.ts';
import { openColdJoin } from './cold-join.ts';
import { openOneRowCommit } from './one-row-commit.ts';
import { openPaced } from './paced.ts';
import { openRequests } from './requests.ts';
import { openSocketIoAppend } from './socket-io-append.ts';

/** What a load process can do, by name. */
export const loads = {
  append: openAppend,
  'append statement': openAppendStatement,
  'cold join': openColdJoin,
  'one-row commit': openOneRowCommit,
  paced: openPaced,
  requests: openRequests,
  'socket.io append': openSocketIoAppend,
};

export type Loads = typeof loads;
export type LoadName = keyof Loads;
