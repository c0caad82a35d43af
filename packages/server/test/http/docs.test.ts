import { homedir, hostname } from 'node:os';
import { resolve } from 'node:path';
import { errorTable } from '@fleetlm/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderPage } from '../../src/http/docs/render-page.ts';
import { type HttpFixture, startHttpFixture } from './http-fixture.ts';

const root = resolve(import.meta.dirname, '../../../..');
let fixture: HttpFixture;

beforeAll(async () => {
  fixture = await startHttpFixture();
});
afterAll(() => fixture[Symbol.asyncDispose]());

describe('the pages', () => {
  test('are linked with each other, anchors too, from /docs on', async () => {
    const pages = new Map<string, string>();
    const waiting = ['/docs', '/llms.txt', '/llms-full.txt', '/openapi.json', '/asyncapi.json'];
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
      if (pages.has(path)) continue;
      const answer = await fetch(`${fixture.url}${path}`);
      expect(answer.status, path).toBe(200);
      pages.set(path, await answer.text());
      if (answer.headers.get('content-type')!.startsWith('text/html')) {
        waiting.push(...linksOf(pages.get(path)!).map((link) => link.split('#')[0] || path));
      }
    }
    expect(pages.size).toBeGreaterThan(20);
    for (const [path, html] of pages) {
      for (const link of linksOf(html)) {
        const [target, anchor] = link.split('#');
        if (anchor) expect(pages.get(target || path), `${path} → ${link}`).toContain(`id="${anchor}"`);
      }
    }
    // Where a machine’s facts could come in.
    for (const [path, text] of pages) {
      for (const secret of [root, homedir(), hostname()]) {
        expect(secret.length < 6 || !text.includes(secret), `${path} tells ${secret}`).toBe(true);
      }
    }
  });

  test('have the place that the type of each error names', async () => {
    const html = await (await fetch(`${fixture.url}/docs/errors`)).text();
    for (const code of Object.keys(errorTable)) expect(html).toContain(`<a id="${code}"></a>`);
    const { body } = await fixture.get('/api/nothing');
    expect(body.type).toBe('/docs/errors#not_found');
  });

  test('may load one stylesheet, and run nothing', async () => {
    const answer = await fetch(`${fixture.url}/docs`);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': expect.stringMatching(/^default-src 'none'; style-src 'self';/),
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    });
    const html = await answer.text();
    expect(html).not.toMatch(/<script|<style|style=|javascript:|<img|<iframe/);
    const sheets = [...html.matchAll(/<link rel="stylesheet" href="([^"]+)">/g)].map((match) => match[1]);
    expect(sheets).toEqual(['/docs/docs.css']);
    const sheet = await fetch(`${fixture.url}${sheets[0]}`);
    expect([sheet.status, sheet.headers.get('content-type')]).toEqual([200, 'text/css; charset=utf-8']);
  });

  test('are sent once to who keeps them', async () => {
    const first = await fetch(`${fixture.url}/openapi.json`);
    expect(((await first.json()) as { openapi: string }).openapi).toBe('3.1.0');
    const etag = first.headers.get('etag')!;
    const again = await fetch(`${fixture.url}/openapi.json`, { headers: { 'if-none-match': etag } });
    expect([again.status, await again.text()]).toEqual([304, '']);
  });

  test.each([
    '/docs/nothing',
    '/docs/../package.json',
    '/docs/..%2fpackage.json',
    '/docs/%2e%2e/llms.txt',
    '/docs//rest',
  ])('%s: 404', async (path) => {
    const answer = await fixture.exchange(
      `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 404 /);
    expect(answer).toContain('"code":"not_found"');
  });
});

describe('rendering', () => {
  const render = (markdown: string, file = 'page.md') => renderPage({ file, markdown, navigation: [] });

  test.each([
    ['a script', '# X\n\n<script>alert(1)</script>', '&lt;script&gt;'],
    ['a handler', 'x <b onclick="x()">y</b>', '&lt;b onclick=&quot;x()&quot;&gt;'],
    ['code', '`<b>`', '<code>&lt;b&gt;</code>'],
    ['an anchor of a row', '| a |\n| --- |\n| <a id="x"></a>b |', '<td><a id="x"></a>b</td>'],
  ])('%s', (_name, markdown, expected) => {
    expect(render(markdown)).toContain(expected);
  });

  test.each([
    ['rest.md', 'page.md', 'href="/docs/rest"'],
    ['errors.md#draining', 'page.md', 'href="/docs/errors#draining"'],
    ['../rest.md', 'decisions/0001-x.md', 'href="/docs/rest"'],
    ['README.md', 'page.md', 'href="/docs"'],
    ['openapi.json', 'page.md', 'href="/docs/openapi.json"'],
    ['https://example.org/', 'page.md', 'href="https://example.org/"'],
  ])('the link %s of %s', (href, file, expected) => {
    expect(render(`[x](${href})`, file)).toContain(expected);
  });

  test.each(['../SECURITY.md', 'javascript:alert(1)', 'data:text/html,x'])('no link to %s', (href) => {
    expect(render(`[x](${href})`)).toContain('<p>x</p>');
  });

  test('anchors are those of GitHub', () => {
    const html = render('# `GET` /a/{id}, twice\n\n## Same\n\n## Same');
    expect([...html.matchAll(/<h\d id="([^"]+)"/g)].map((match) => match[1])).toEqual([
      'get-aid-twice',
      'same',
      'same-1',
    ]);
  });
});

function linksOf(html: string): string[] {
  return [...html.matchAll(/<a href="([^"]+)"/g)]
    .map((match) => match[1]!)
    .filter((link) => !/^https?:/.test(link));
}
