import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

/** A page of docs/, as an index shows it. */
interface Page {
  readonly file: string;
  readonly title: string;
  /** What it is about; "" when the title says it. */
  readonly summary: string;
}

const docs = resolve(import.meta.dirname, '../docs');

/** Every page with what it is about, in the order in which somebody new reads them. One not named here comes last. */
const sections: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'First steps': {
    quickstart: 'from nothing to two people who talk, with curl, a script, and tokens',
    concepts: 'sessions, members, messages, cursors: the words, and what is promised',
    guarantees: 'each promise with the tests that hold FleetLM to it',
    'known-gaps': 'what is not there yet',
  },
  'Talking to it': {
    rest: 'the API under `/api`, explained',
    api: 'every call with its parameters, shapes and errors',
    agents: 'write one, register it, what it gets and may answer, and what happens when it fails',
    channels: 'live, with the official Phoenix client',
    protocol: 'the same from below, frame by frame, for authors of other clients',
    errors: 'every code, the same in REST and channels',
    authentication: 'tokens, and where their keys come from',
    authorization: 'who may do what, call by call',
  },
  'Running it': {
    configuration: 'every setting with its default and its reason',
    operations: 'deploying, watching, stopping and upgrading it',
    metrics: 'what a node counts and measures',
    tracing: 'one message as one trace',
    performance: 'how fast it is, beside what, what it costs, and what one node carries',
    security: 'what an attacker may try, and what happens then',
  },
};

/** `docs/README.md`: every page with what it is about. */
export function describeIndex(): string {
  const parts = readSections().map(
    ([section, pages]) => `## ${section}\n\n${pages.map((page) => toRow(page)).join('\n')}\n`,
  );
  return `# FleetLM

Durable, real-time conversations of people and AI agents. This page is made by \`npm run docs\`.

${parts.join('\n')}
For programs: [openapi.json](openapi.json), [asyncapi.json](asyncapi.json).
`;
}

/** `llms.txt`: the same for language models (llmstxt.org). */
export function describeForModels(): string {
  const parts = readSections().map(([section, pages]) => {
    const rows = pages.map((page) => toRow(page, 'docs/'));
    return `## ${section === 'Decisions' ? 'Optional' : section}\n\n${rows.join('\n')}\n`;
  });
  return `# FleetLM

> Durable, real-time conversations of people and AI agents: REST, and Phoenix Channels over WebSocket, with Postgres as the
> truth. Messages are committed before anybody is told, counted 1, 2, 3, … in each session, and idempotent by client_id.

A running server serves these pages below /docs, and all of them in one as /llms-full.txt.

${parts.join('\n')}
## Machine-readable

- [OpenAPI 3.1](docs/openapi.json): REST
- [AsyncAPI 3.0](docs/asyncapi.json): channels
`;
}

function readSections(): [section: string, pages: Page[]][] {
  const files = globSync('*.md', { cwd: docs }).filter((file) => file !== 'README.md');
  const named = Object.entries(sections).map(([section, pages]): [string, Page[]] => [
    section,
    Object.entries(pages)
      .filter(([name]) => files.includes(`${name}.md`))
      .map(([name, summary]) => readPage(`${name}.md`, summary)),
  ]);
  const placed = new Set(named.flatMap(([, pages]) => pages.map(({ file }) => file)));
  const rest = files.filter((file) => !placed.has(file)).sort();
  const decisions = globSync('decisions/*.md', { cwd: docs }).sort();
  const others: [string, Page[]][] = [
    ['More', rest.map((file) => readPage(file))],
    ['Decisions', decisions.map((file) => readPage(file))],
  ];
  return [...named, ...others].filter(([, pages]) => pages.length > 0);
}

function readPage(file: string, summary = ''): Page {
  const [heading] = readFileSync(resolve(docs, file), 'utf8').split('\n', 1);
  return { file, title: heading!.replace('# ', ''), summary };
}

function toRow({ file, title, summary }: Page, folder = ''): string {
  return `- [${title}](${folder}${file})${summary && `: ${summary}`}`;
}
