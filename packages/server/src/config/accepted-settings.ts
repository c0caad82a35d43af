import { splitList } from './split-list.ts';

/** Postgres' settings that, switched off, let a crash take what was acknowledged. */
export const durabilitySettings = ['fsync', 'full_page_writes', 'synchronous_commit'] as const;

export type DurabilitySetting = (typeof durabilitySettings)[number];

/** Those that `text` names, separated by commas. Throws "must be …". */
export function parseAcceptedSettings(text: string): readonly DurabilitySetting[] {
  return splitList(text).map(parseSetting);
}

function parseSetting(name: string): DurabilitySetting {
  const setting = durabilitySettings.find((candidate) => candidate === name);
  if (setting === undefined) throw new Error(`must be a list of ${durabilitySettings.join(', ')}`);
  return setting;
}
