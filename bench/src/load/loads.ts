import { openAppend } from './append.ts';
import { openAppendStatement } from './append-statement.ts';
import { openOneRowCommit } from './one-row-commit.ts';
import { openPaced } from './paced.ts';
import { openSocketIoAppend } from './socket-io-append.ts';

/** What a load process can do, by name. */
export const loads = {
  append: openAppend,
  'append statement': openAppendStatement,
  'one-row commit': openOneRowCommit,
  paced: openPaced,
  'socket.io append': openSocketIoAppend,
};

export type Loads = typeof loads;
export type LoadName = keyof Loads;
