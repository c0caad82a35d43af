import type { Variable } from './read-variables.ts';
import { variables } from './variables.ts';

/** `docs/configuration.md`: every variable with its type, its default and its reason. */
export function describeConfiguration(): string {
  const rows = Object.entries<Variable<unknown>>(variables).map(
    ([name, { type, shownDefault, description, secret }]) =>
      `| \`${name}\`${secret ? ` or \`${name}_FILE\`` : ''} | ${type} | ${shownDefault && `\`${shownDefault}\``} | ${description} |`,
  );
  return `${introduction}${rows.join('\n')}\n`;
}

const introduction = `# Configuration

Settings are environment variables. A bad value stops the start, and every bad variable is named at once. A
secret can also be read from a file: \`NAME_FILE\` holds its path. This page is made from the code by
\`npm run docs\`.

| Variable | Type | Default | What it is for |
| --- | --- | --- | --- |
`;
