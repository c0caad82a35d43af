/**
 * What a load process can do, by name. Each process reads the one that it is: it starts sooner, and stays
 * small.
 */
export const loads = {
  append: async () => (await import('./append.ts')).openAppend,
  'append statement': async () => (await import('./append-statement.ts')).openAppendStatement,
  'Socket.IO append': async () => (await import('./socket-io-append.ts')).openSocketIoAppend,
  'one-row commit': async () => (await import('./one-row-commit.ts')).openOneRowCommit,
  paced: async () => (await import('./paced.ts')).openPaced,
  'fan-out': async () => (await import('./fan-out.ts')).openFanOut,
  'bare fan-out': async () => (await import('./bare-fan-out.ts')).openBareFanOut,
  'Socket.IO fan-out': async () => (await import('./socket-io-fan-out.ts')).openSocketIoFanOut,
  idle: async () => (await import('./idle.ts')).openIdle,
  'bare idle': async () => (await import('./bare-idle.ts')).openBareIdle,
  join: async () => (await import('./join.ts')).openJoin,
  'catch-up': async () => (await import('./catch-up.ts')).openCatchUp,
  reconnect: async () => (await import('./reconnect.ts')).openReconnect,
  'inbox updates': async () => (await import('./inbox-updates.ts')).openInboxUpdates,
  streams: async () => (await import('./streams.ts')).openStreams,
  requests: async () => (await import('./requests.ts')).openRequests,
};

type Loads = typeof loads;
type OpenOf<Name extends LoadName> = Awaited<ReturnType<Loads[Name]>>;
type LoadOf<Name extends LoadName> = Awaited<ReturnType<OpenOf<Name>>>;

export type LoadName = keyof Loads;
/** What a load is opened with, what a run of it is told, and what that returns. */
export type OrderOf<Name extends LoadName> = Parameters<OpenOf<Name>>[0];
export type RunOf<Name extends LoadName> = Parameters<LoadOf<Name>['run']>[0];
export type ResultOf<Name extends LoadName> = Awaited<ReturnType<LoadOf<Name>['run']>>;
