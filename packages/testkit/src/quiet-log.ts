/** A log that keeps nothing. */
export const quietLog = {
  debug() {},
  info() {},
  warn() {},
  error() {},
};
