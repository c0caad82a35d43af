import { readFileSync } from 'node:fs';

/** The statement in a `.sql` file, read once when its module is loaded. */
export function loadSql(url: URL): string {
  return readFileSync(url, 'utf8');
}
