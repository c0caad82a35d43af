import { readFileSync } from 'node:fs';

/**
 * The statement in a `.sql` file, read once when its module is loaded: without its comments and indentation, because
 * Postgres copies the text of a prepared statement each time that it runs it (a tenth of a small append). No literal
 * may hold what looks like them.
 */
export function loadSql(url: URL): string {
  return readFileSync(url, 'utf8').replaceAll(/--.*$/gm, '').replaceAll(/\s+/g, ' ').trim();
}
