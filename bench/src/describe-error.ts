/** What went wrong, in a line: `fetch` hides it in a cause, several attempts to connect in a list. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, cause } = error;
  if (error instanceof AggregateError && message === '') return error.errors.map(describeError).join(', ');
  return cause === undefined ? message : `${message} (${describeError(cause)})`;
}
