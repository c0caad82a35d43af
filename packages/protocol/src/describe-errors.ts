import { type ErrorCode, errorTable } from './errors.ts';

/** `docs/errors.md`: every code with its status and meaning. */
export function describeErrors(): string {
  const codes = Object.keys(errorTable) as ErrorCode[];
  const rows = codes.map((code) => {
    const { status, retryable, title } = errorTable[code];
    return `| <a id="${code}"></a>\`${code}\` | ${status} | ${retryable ? 'yes' : 'no'} | ${title} |`;
  });
  return `${introduction}${rows.join('\n')}\n`;
}

const introduction = `# Errors

The code is the contract: it keeps its meaning for ever, and is the same in REST and in channels.

REST answers with \`application/problem+json\` ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)):
\`{type, title, status, code, detail, request_id, retryable, errors?}\`. A channel replies with status \`error\` and
\`{reason, message, retryable, errors?}\`, where \`reason\` is the code. \`errors\` tells what is wrong with each field:
\`{field: [text, …]}\`. An error with \`retryable: true\` may go away: repeat the same request later, over REST after
\`Retry-After\` where there is one (429, 503). A repeated append needs a \`client_id\`; with it a message is never stored
twice, and after \`outcome_unknown\` it tells what happened.

The protocol's own reasons stand beside them in channels, as Phoenix has them: \`unmatched topic\` (the topic is not
joined, or there is no such topic), \`join crashed\`, \`too many channels joined\`; a fault on the server ends a topic with
\`phx_error {"reason": "channel_crash"}\`, and clients join again.

| Code | Status | Retryable | Meaning |
| --- | --- | --- | --- |
`;
