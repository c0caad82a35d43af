/** What the server has by default, where a scenario depends on it. */
export const serverDefaults = {
  /** Connections of the append path, each with one batch on its way. */
  lanes: 2,
  /** Messages of a page of history, conversations of a page of an inbox. */
  pageLimit: 50,
  /** Topics of a socket. */
  maxTopics: 100,
  /** What happens is gathered for so long before an inbox is updated (`flushMs` of its inboxes). */
  gatheringMs: 100,
};
