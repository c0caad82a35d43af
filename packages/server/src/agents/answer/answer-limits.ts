export interface AnswerLimits {
  /** Of its text as JSON, which is what is sent on and stored. */
  readonly maxBytes: number;
  readonly maxLineBytes: number;
  readonly maxChunks: number;
}

export const answerLimits: AnswerLimits = {
  // A long novel's chapter of text, or as many chunks as a model streams in five minutes.
  maxBytes: 1 << 20,
  // A chunk goes out as one frame to everybody in the session: as large as a frame that a client may send.
  maxLineBytes: 64 << 10,
  // 66 a second for five minutes; each one is a push to everybody.
  maxChunks: 20_000,
};

/** Messages of one answer, each of which is a row and a broadcast. Agents that say more say it in their next turn. */
export const maxAnswerMessages = 100;
