import { Marked, type Tokens } from 'marked';

/** A link of the navigation: `href` is the path of a page on the server. */
export interface PageLink {
  readonly href: string;
  readonly title: string;
}

export interface PageSource {
  /** Where the file is below `docs/`, as `decisions/0001-layers.md`. */
  readonly file: string;
  readonly markdown: string;
  readonly navigation: readonly PageLink[];
}

/** A page of `docs/` as HTML. The markdown is our own; everything in it is escaped all the same. */
export function renderPage({ file, markdown, navigation }: PageSource): string {
  const href = pageHref(file);
  const links = navigation.map(
    (link) =>
      `<li><a href="${escapeHtml(link.href)}"${link.href === href ? ' aria-current="page"' : ''}>${escapeHtml(link.title)}</a></li>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(pageTitle(markdown))} · FleetLM</title>
<link rel="stylesheet" href="/docs/docs.css">
</head>
<body>
<nav aria-label="Pages"><ul>
${links.join('\n')}
</ul></nav>
<main>
${renderMarkdown(markdown, file)}</main>
</body>
</html>
`;
}

/** The page's first heading. */
export function pageTitle(markdown: string): string {
  return /^# (.+)$/m.exec(markdown)?.[1]?.replaceAll('`', '') ?? 'FleetLM';
}

/** Where the server serves a file of `docs/` as a page. */
export function pageHref(file: string): string {
  return file === 'README.md' ? '/docs' : `/docs/${file.replace(/\.md$/, '')}`;
}

function renderMarkdown(markdown: string, file: string): string {
  const slugs = new Map<string, number>();
  const marked = new Marked({
    renderer: {
      heading({ depth, tokens }: Tokens.Heading): string {
        const slug = uniqueSlug(this.parser.parseInline(tokens, this.parser.textRenderer), slugs);
        return `<h${depth} id="${slug}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      link({ href, tokens }: Tokens.Link): string {
        const text = this.parser.parseInline(tokens);
        const target = resolveLink(href, file);
        return target === null ? text : `<a href="${escapeHtml(target)}">${text}</a>`;
      },
      // Nothing is embedded, and the only tag that is let through is the anchor of a table’s row.
      image: ({ text }: Tokens.Image) => escapeHtml(text),
      html: ({ text }: Tokens.HTML | Tokens.Tag) => (anchorTag.test(text) ? text : escapeHtml(text)),
    },
  });
  return marked.parse(markdown, { async: false });
}

const anchorTag = /^(<a id="[\w-]+">|<\/a>)$/;

/** A link as a page of the server has it, or null for a file that is not served. */
function resolveLink(href: string, file: string): string | null {
  if (/^https?:\/\//.test(href) || href.startsWith('#')) return href;
  const { pathname, hash } = new URL(href, `docs://site/docs/${file}`);
  const inDocs = /^\/docs\/(.+)$/.exec(pathname)?.[1];
  return inDocs === undefined ? null : `${pageHref(inDocs)}${hash}`;
}

/** As GitHub makes the anchors of headings, so that links hold in both places. */
function uniqueSlug(text: string, seen: Map<string, number>): string {
  const slug = unescapeHtml(text)
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
    .replaceAll(' ', '-');
  const count = seen.get(slug) ?? 0;
  seen.set(slug, count + 1);
  return count === 0 ? slug : `${slug}-${count}`;
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}

function unescapeHtml(text: string): string {
  const characters = Object.entries(entities);
  return text.replace(
    /&(?:amp|lt|gt|quot|#39);/g,
    (entity) => characters.find(([, each]) => each === entity)![0],
  );
}
