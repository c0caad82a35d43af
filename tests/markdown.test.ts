import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const files = globSync('**/*.md', {
  cwd: root,
  exclude: (name) => /^(node_modules|dist|\.\w+)$/.test(name),
}).sort();
const texts = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));

describe('every link leads somewhere', () => {
  test.each(files)('%s', (file) => {
    const broken = linksOf(texts.get(file)!).filter((link) => !leadsSomewhere(file, link));
    expect(broken).toEqual([]);
  });

  test('and one that does not is found', () => {
    expect(leadsSomewhere('docs/rest.md', 'errors.md#draining')).toBe(true);
    expect(leadsSomewhere('docs/rest.md', 'errors.md#nothing')).toBe(false);
    expect(leadsSomewhere('docs/rest.md', 'nothing.md')).toBe(false);
    expect(leadsSomewhere('README.md', '#a-first-conversation')).toBe(true);
    expect(leadsSomewhere('README.md', '#a-second-conversation')).toBe(false);
  });
});

test('every page is reached from the README', () => {
  const reached = new Set<string>();
  const waiting = ['README.md', 'docs/README.md'];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (reached.has(file) || !texts.has(file)) continue;
    reached.add(file);
    waiting.push(...linksOf(texts.get(file)!).map((link) => targetOf(file!, link).file));
  }
  expect(files.filter((file) => file.startsWith('docs/') && !reached.has(file))).toEqual([]);
});

describe('blocks of code', () => {
  const blocks = files.flatMap((file) =>
    blocksOf(texts.get(file)!).map(({ language, code, line }) => ({
      place: `${file}:${line}`,
      language,
      code,
    })),
  );

  test.each(blocks.filter(({ language }) => language in checks))(
    '$place is $language',
    ({ language, code }) => {
      expect(checks[language]!(code)).toBeNull();
    },
  );

  test.each([
    ['js', 'const = 1;'],
    ['ts', 'const a: = 1;'],
    ['json', '{a: 1}'],
    ['sh', 'if true; then'],
    ['http', 'hello'],
  ])('%s that is none is found', (language, code) => {
    expect(checks[language]!(code)).not.toBeNull();
  });
});

/** What is wrong with a block of a language, or null. */
const checks: Readonly<Record<string, (code: string) => string | null>> = {
  js: checkScript,
  ts: checkScript,
  sh: checkShell,
  bash: checkShell,
  json: (code) => problemOf(() => JSON.parse(withoutEllipses(code))),
  http: (code) => (/^([A-Z]+ \/\S*|HTTP\/1\.1 \d{3})/.test(code) ? null : 'neither a request nor an answer'),
};

function checkScript(code: string): string | null {
  return problemOf(() => stripTypeScriptTypes(code));
}

function checkShell(code: string): string | null {
  const { status, stderr } = spawnSync('bash', ['-n'], { input: code, encoding: 'utf8' });
  return status === 0 ? null : stderr;
}

function problemOf(check: () => unknown): string | null {
  try {
    check();
    return null;
  } catch (error) {
    return String(error);
  }
}

/** `…` stands for what is left out. */
function withoutEllipses(json: string): string {
  return json
    .replace(/,\s*…/g, '')
    .replace(/([[{])\s*…/g, '$1')
    .replace(/:\s*…/g, ': null');
}

function linksOf(text: string): string[] {
  const prose = text
    .replace(/^```[\s\S]*?^```/gm, '')
    .replace(/`[^`\n]*`/g, (code) => (code.includes('](') ? '' : code));
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1]!)
    .filter((link) => !/^(https?|mailto):/.test(link));
}

function leadsSomewhere(file: string, link: string): boolean {
  const target = targetOf(file, link);
  if (!existsSync(join(root, target.file))) return false;
  return target.anchor === null || anchorsOf(target.file).has(target.anchor);
}

function targetOf(file: string, link: string): { readonly file: string; readonly anchor: string | null } {
  const [path, anchor = null] = link.split('#');
  const target = path ? relative(root, resolve(root, dirname(file), path)) : file;
  return { file: target, anchor };
}

/** As GitHub makes them of headings; and those that the page sets itself. */
function anchorsOf(file: string): ReadonlySet<string> {
  const text = (texts.get(file) ?? '').replace(/^```[\s\S]*?^```/gm, '');
  const anchors = new Set([...text.matchAll(/<a id="([^"]+)">/g)].map((match) => match[1]!));
  for (const [, heading] of text.matchAll(/^#{1,6} (.+)$/gm)) {
    const words = heading!.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = words.replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '').replaceAll(' ', '-');
    let anchor = slug;
    for (let count = 1; anchors.has(anchor); count += 1) anchor = `${slug}-${count}`;
    anchors.add(anchor);
  }
  return anchors;
}

function blocksOf(
  text: string,
): { readonly language: string; readonly code: string; readonly line: number }[] {
  return [...text.matchAll(/^```(\w[\w-]*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    language: match[1]!,
    code: match[2]!,
    line: text.slice(0, match.index).split('\n').length,
  }));
}
