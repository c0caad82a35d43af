import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { type PageLink, pageHref, pageTitle, renderPage } from './render-page.ts';

/** What is sent for a path. */
export interface Served {
  readonly type: string;
  readonly body: Buffer;
  readonly etag: string;
}

/** Of a checkout the repository itself; of the npm package what `scripts/copy-assets.ts` has put beside the code. */
const siteRoot = import.meta.filename.endsWith('.ts')
  ? resolve(import.meta.dirname, '../../../../..')
  : resolve(import.meta.dirname, '../../site');

const types: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  html: 'text/html; charset=utf-8',
  json: 'application/json',
  md: 'text/markdown; charset=utf-8',
  txt: 'text/plain; charset=utf-8',
};

/**
 * The documentation, served by the server that it is about. What there is, is known from the files at the first
 * request; each is read and rendered once, when it is first asked for. No request's path ever names a file.
 */
export class DocsSite {
  readonly #served = new Map<string, Served>();
  #makers: ReadonlyMap<string, () => Served> | null = null;

  /** What is served at a path, or null. */
  find(path: string): Served | null {
    const known = this.#served.get(path);
    if (known) return known;
    this.#makers ??= listSite();
    const served = this.#makers.get(path)?.() ?? null;
    if (served) this.#served.set(path, served);
    return served;
  }
}

function listSite(): Map<string, () => Served> {
  const docs = join(siteRoot, 'docs');
  const files = readdirSync(docs, { recursive: true, encoding: 'utf8' }).map((file) =>
    file.replaceAll(sep, '/'),
  );
  const pages = files.filter((file) => file.endsWith('.md'));
  const read = (file: string) => readFileSync(join(docs, file), 'utf8');
  const makers = new Map<string, () => Served>();
  for (const file of files.filter((each) => /\.(md|json)$/.test(each))) {
    makers.set(`/docs/${file}`, () => serve(read(file), extensionOf(file)));
  }
  for (const file of pages) {
    makers.set(pageHref(file), () => {
      const navigation = readNavigation(read('README.md'), read);
      return serve(renderPage({ file, markdown: read(file), navigation }), 'html');
    });
  }
  makers.set('/docs/docs.css', () =>
    serve(readFileSync(join(import.meta.dirname, 'docs.css'), 'utf8'), 'css'),
  );
  for (const name of ['openapi.json', 'asyncapi.json'])
    makers.set(`/${name}`, () => serve(read(name), 'json'));
  const index = () => readFileSync(join(siteRoot, 'llms.txt'), 'utf8');
  makers.set('/llms.txt', () => serve(index(), 'txt'));
  makers.set('/llms-full.txt', () => serve(joinPages(index(), read), 'txt'));
  return makers;
}

/** The pages that the index names, in its order; decisions are for those who change the code. */
function readNavigation(index: string, read: (file: string) => string): PageLink[] {
  const files = [...index.matchAll(/\]\(([\w-]+\.md)\)/g)].map((match) => match[1]!);
  return ['README.md', ...new Set(files)].map((file) => ({
    href: pageHref(file),
    title: file === 'README.md' ? 'FleetLM' : pageTitle(read(file)),
  }));
}

/** `llms-full.txt`: the index, and each page that it names. */
function joinPages(index: string, read: (file: string) => string): string {
  const files = [...index.matchAll(/\]\(docs\/([\w-]+\.md)\)/g)].map((match) => match[1]!);
  return [index, ...files.map((file) => `<!-- docs/${file} -->\n\n${read(file)}`)].join('\n');
}

function serve(text: string, extension: string): Served {
  const body = Buffer.from(text);
  return {
    type: types[extension]!,
    body,
    etag: `"${createHash('sha256').update(body).digest('base64url')}"`,
  };
}

function extensionOf(file: string): string {
  return file.split('.').at(-1)!;
}
