/** What people write to each other: most chat messages are shorter. */
export const sampleText =
  'Shall we meet at ten past eight in front of the old station, or is that too early?';
