/** The entries of a list in a variable: separated by commas, spaces around them and empty ones left out. */
export function splitList(text: string): string[] {
  const entries = text.split(',').map((entry) => entry.trim());
  return entries.filter((entry) => entry !== '');
}
