/** ws does not tell with which code it has closed a socket whose client broke the protocol, but why. */
export function closeCodeOf(error: Error & { readonly code?: string }): number | null {
  switch (error.code) {
    case 'WS_ERR_INVALID_UTF8':
      return 1007;
    case 'WS_ERR_TOO_MANY_BUFFERED_PARTS':
      return 1008;
    case 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH':
      return 1009;
    default:
      return error.code?.startsWith('WS_ERR_') ? 1002 : null;
  }
}
