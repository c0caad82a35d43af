import { readFileSync } from 'node:fs';

export type Environment = Readonly<Record<string, string | undefined>>;

/** One environment variable: how its text is read, its default, and why it is there. */
export interface Variable<T> {
  /** The value in `text`; a string is what is wrong with it, as "must be …". */
  readonly read: (text: string) => { value: T } | string;
  readonly fallback: T;
  /** The default as documentation shows it. */
  readonly shownDefault: string;
  /** What values there are, for documentation. */
  readonly type: string;
  readonly description: string;
  /** Also read from a file by `NAME_FILE`, and never printed. */
  readonly secret?: true;
}

export type Read<Variables> = {
  readonly [Name in keyof Variables]: Variables[Name] extends Variable<infer T> ? T : never;
};

/**
 * Reads every variable; an empty text counts as unset. All problems are collected; a bad variable has its default,
 * so that the others can still be checked against each other.
 */
export function readVariables<Variables extends Record<string, Variable<unknown>>>(
  variables: Variables,
  env: Environment,
): { values: Read<Variables>; problems: string[] } {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, variable] of Object.entries(variables)) {
    const result = readVariable(name, variable, env);
    if (typeof result === 'string') problems.push(`${name} ${result}`);
    values[name] = typeof result === 'string' ? variable.fallback : result.value;
  }
  return { values: values as Read<Variables>, problems };
}

function readVariable(
  name: string,
  variable: Variable<unknown>,
  env: Environment,
): { value: unknown } | string {
  const text = env[name] || undefined;
  const file = variable.secret ? env[`${name}_FILE`] || undefined : undefined;
  if (file !== undefined) {
    if (text !== undefined) return `and ${name}_FILE are both set`;
    const content = readSecretFile(name, file);
    return typeof content === 'string' ? content : variable.read(content.value);
  }
  if (text === undefined) return { value: variable.fallback };
  const result = variable.read(text);
  return typeof result === 'string' && !variable.secret ? `${result} (it is "${text}")` : result;
}

/** A file's last line break comes from the editor, not from the secret. */
function readSecretFile(name: string, file: string): { value: string } | string {
  try {
    return { value: readFileSync(file, 'utf8').trimEnd() };
  } catch (error) {
    return `cannot be read from ${name}_FILE: ${(error as Error).message}`;
  }
}

export function text(fallback: string, description: string): Variable<string> {
  return { read: (value) => ({ value }), fallback, shownDefault: fallback, type: 'text', description };
}

/** A text in a form of its own: `parse` throws, with the message "must be …", when it is not in that form. */
export function parsed<T>(parse: (text: string) => T, description: string): Variable<T> {
  return {
    read: (value) => {
      try {
        return { value: parse(value) };
      } catch (error) {
        return (error as Error).message;
      }
    },
    fallback: parse(''),
    shownDefault: '',
    type: 'text',
    description,
  };
}

export function optionalText(description: string): Variable<string | null> {
  return { read: (value) => ({ value }), fallback: null, shownDefault: '', type: 'text', description };
}

/** A text that is never printed; `check` says what is wrong with one, as "must be …", or null. */
export function secret(
  description: string,
  check: (text: string) => string | null = () => null,
): Variable<string | null> {
  return {
    read: (value) => check(value) ?? { value },
    fallback: null,
    shownDefault: '',
    type: 'text',
    description,
    secret: true,
  };
}

export function integer(fallback: number, min: number, max: number, description: string): Variable<number> {
  return {
    read: (value) => readInteger(value, min, max),
    fallback,
    shownDefault: String(fallback),
    type: `integer, ${min} to ${max}`,
    description,
  };
}

export function milliseconds(fallback: number, description: string): Variable<number> {
  // An hour bounds the typing error, not the use.
  return { ...integer(fallback, 1, 3_600_000, description), type: 'milliseconds' };
}

export function bytes(fallback: number, description: string): Variable<number> {
  return { ...integer(fallback, 1, 2 ** 31, description), type: 'bytes' };
}

/** A number of bytes whose default depends on the machine: null without one. */
export function optionalBytes(shownDefault: string, description: string): Variable<number | null> {
  return { ...integer(0, 1, 2 ** 40, description), type: 'bytes', fallback: null, shownDefault };
}

/** An integer that has no default: null without one. */
export function optionalInteger(min: number, max: number, description: string): Variable<number | null> {
  return { ...integer(min, min, max, description), fallback: null, shownDefault: '' };
}

/** Something a second; 0 is no limit. Without authentication callers are whoever they say: null, no limit. */
export function rate(perSecond: number, description: string): Variable<number | null> {
  const shownDefault = `${perSecond}; 0 with FLEETLM_AUTH=none`;
  return { ...integer(perSecond, 0, 10_000_000, description), fallback: null, shownDefault };
}

export function ratio(fallback: number, description: string): Variable<number> {
  return {
    read: (value) => {
      const valid = /^(\d+(\.\d*)?|\.\d+)$/.test(value) && Number(value) <= 1;
      return valid ? { value: Number(value) } : 'must be a number from 0 to 1';
    },
    fallback,
    shownDefault: String(fallback),
    type: 'number, 0 to 1',
    description,
  };
}

export function boolean(fallback: boolean, description: string): Variable<boolean> {
  return {
    read: (value) => {
      if (value === '1' || value === 'true') return { value: true };
      if (value === '0' || value === 'false') return { value: false };
      return 'must be 1, true, 0 or false';
    },
    fallback,
    shownDefault: fallback ? '1' : '0',
    type: '0 or 1',
    description,
  };
}

/** A yes or no whose default depends on other variables: null without one. */
export function optionalBoolean(shownDefault: string, description: string): Variable<boolean | null> {
  return { ...boolean(false, description), fallback: null, shownDefault };
}

export function choice<const T extends string>(
  values: readonly T[],
  fallback: T,
  description: string,
): Variable<T> {
  return {
    read: (value) => {
      const chosen = values.find((candidate) => candidate === value);
      return chosen === undefined ? `must be one of ${values.join(', ')}` : { value: chosen };
    },
    fallback,
    shownDefault: fallback,
    type: values.join(', '),
    description,
  };
}

/** A choice whose default depends on other variables: null without one. */
export function optionalChoice<const T extends string>(
  values: readonly [T, ...T[]],
  shownDefault: string,
  description: string,
): Variable<T | null> {
  return { ...choice(values, values[0], description), fallback: null, shownDefault };
}

function readInteger(value: string, min: number, max: number): { value: number } | string {
  const number = Number(value);
  const valid = /^-?\d+$/.test(value) && number >= min && number <= max;
  return valid ? { value: number } : `must be an integer from ${min} to ${max}`;
}
