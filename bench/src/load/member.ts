/** Where a member of a session connects, and the topic of its session. */
export interface Member {
  readonly url: string;
  readonly topic: string;
}
