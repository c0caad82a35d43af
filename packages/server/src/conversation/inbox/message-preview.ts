/** What an inbox shows of a message, in characters: as much as a line of a list holds. */
const maxPreviewLength = 140;

/** The first characters of `content.text`, or of its text parts; else null. The same as `message_preview` in SQL. */
export function messagePreview(contentJson: string): string | null {
  const content = JSON.parse(contentJson) as { text?: unknown; parts?: unknown };
  const text = typeof content.text === 'string' ? content.text : textOfParts(content.parts);
  return text === null ? null : firstCharacters(text);
}

function textOfParts(parts: unknown): string | null {
  if (!Array.isArray(parts)) return null;
  const texts = parts.filter((part) => part?.type === 'text' && typeof part.text === 'string');
  return texts.length === 0 ? null : texts.map((part) => part.text).join('');
}

/** Characters are code points, as Postgres counts them. */
function firstCharacters(text: string): string {
  // No character takes more than two units, so that nothing beyond has to be split.
  return [...text.slice(0, maxPreviewLength * 2)].slice(0, maxPreviewLength).join('');
}
