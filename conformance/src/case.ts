import type { Subject } from './subject.ts';

/** What a case needs of its run beside a server. Without it the case is skipped, with the reason. */
type Need = 'tokens' | 'no-auth' | 'slow';

/** One sentence about the wire, and how to see that it is true. */
export interface Case {
  /** `group/number`, the number being that of phoenix-protocol.md; `group/name` for what is ours. */
  readonly id: string;
  readonly title: string;
  /** A choice of FleetLM: another server of the protocol may do otherwise. */
  readonly isOurs?: true;
  readonly needs?: Need;
  readonly run: (subject: Subject) => Promise<void>;
}

/** A case that nobody can see from outside, or that there is not: it is listed, and skipped with the reason. */
interface Unseen {
  readonly id: string;
  readonly title: string;
  readonly why: string;
  /** Where it is proven instead, in process. */
  readonly proof?: Proof;
}

/** A test of this repository. */
interface Proof {
  readonly file: string;
  /** Text that its name holds. */
  readonly test: string;
}

export type Entry = Case | Unseen;

/** Ends a case that this server, as it is set up, cannot show. */
export class Skipped extends Error {}

export function isCase(entry: Entry): entry is Case {
  return 'run' in entry;
}
