import { openAppend } from './append.ts';
import { openAppendStatement } from './append-statement.ts';
import { openFanOut } from './fan-out.ts';
import { openBareIdle, openIdle } from './idle.ts';
import { openOneRowCommit } from './one-row-commit.ts';
import { openPaced } from './paced.ts';
import { openBareFanOut, openSocketIoFanOut } from './peer-fan-out.ts';
import { openSocketIoAppend } from './socket-io-append.ts';

/** What a load process can do, by name. */
export const loads = {
  append: openAppend,
  'append statement': openAppendStatement,
  'one-row commit': openOneRowCommit,
  paced: openPaced,
  'socket.io append': openSocketIoAppend,
  'fan-out': openFanOut,
  'bare fan-out': openBareFanOut,
  'socket.io fan-out': openSocketIoFanOut,
  idle: openIdle,
  'bare idle': openBareIdle,
};

export type Loads = typeof loads;
export type LoadName = keyof Loads;
