import { maxJsonDepth } from '@fleetlm/protocol';

/** A tool's input lies three levels deep in the message that is stored: `content.parts[…].input`. */
const maxInputDepth = maxJsonDepth - 3;

/**
 * The value of JSON of which the end may be missing, as the AI SDK reads the input of a tool while it streams: an
 * open text ends where it is cut, what is no value yet is left out, the open objects and arrays are closed.
 * Undefined when there is none. As in the SDK a value with a key that could pollute a prototype is none; nor is
 * one that nests too deep to be stored, which the SDK would take.
 */
export function parsePartialJson(text: string): unknown {
  const value = parseOrUndefined(text) ?? parseOrUndefined(completeJson(text));
  return isSafe(value, maxInputDepth) ? value : undefined;
}

/**
 * The longest start of `text` that can be completed to JSON, completed; what is no JSON stays none. One pass: 1 MiB
 * costs 10 to 60 ms, so only what is shown is completed, never each delta.
 */
function completeJson(text: string): string {
  const scan: Scan = {
    open: [],
    expects: 'value',
    token: 'none',
    tokenStart: 0,
    hexDigits: 0,
    validEnd: 0,
    isFirst: true,
  };
  for (let index = 0; index < text.length; index += 1) {
    if (scan.open.length > maxInputDepth) return '';
    step(scan, text, index);
  }
  return text.slice(0, scan.validEnd) + closing(scan, text);
}

/** Where the scan stands. Of the containers around the innermost one only their ends matter: they hold a value. */
interface Scan {
  /** The ends that the open objects and arrays need, the innermost last. */
  readonly open: ('}' | ']')[];
  expects: 'value' | 'key' | 'colon' | 'comma' | 'nothing';
  /** What the next character belongs to; `none`: to the structure. */
  token: 'none' | 'key' | 'text' | 'escape' | 'unicode' | 'number' | 'literal';
  tokenStart: number;
  /** How many digits of a `\u` escape have come. */
  hexDigits: number;
  /** How far the text can be kept. */
  validEnd: number;
  /** The innermost container has nothing in it, so it may end before a key or a value. */
  isFirst: boolean;
}

const literals = ['true', 'false', 'null'];

function step(scan: Scan, text: string, index: number): void {
  const char = text[index]!;
  switch (scan.token) {
    case 'none':
      structure(scan, char, index);
      break;
    case 'key':
      if (char === '"') [scan.token, scan.expects] = ['none', 'colon'];
      break;
    case 'text':
      inText(scan, char, index);
      break;
    case 'escape':
      if (char === 'u') [scan.token, scan.hexDigits] = ['unicode', 0];
      else [scan.token, scan.validEnd] = ['text', index + 1];
      break;
    case 'unicode':
      if (/[0-9a-f]/i.test(char)) scan.hexDigits += 1;
      if (scan.hexDigits === 4) [scan.token, scan.validEnd] = ['text', index + 1];
      break;
    case 'number':
      if (isDigit(char)) scan.validEnd = index + 1;
      else if (!'eE-.'.includes(char)) endToken(scan, char, index);
      break;
    case 'literal':
      if (isLiteralStart(text.slice(scan.tokenStart, index + 1))) scan.validEnd = index + 1;
      else endToken(scan, char, index);
  }
}

/** Only the character behind says that a number or a literal is over. */
function endToken(scan: Scan, char: string, index: number): void {
  scan.token = 'none';
  if (char === ',' || char === scan.open.at(-1)) structure(scan, char, index);
}

function structure(scan: Scan, char: string, index: number): void {
  if (scan.expects === 'nothing') return;
  const mayEnd = scan.expects === 'comma' || (scan.isFirst && scan.expects !== 'colon');
  if (mayEnd && char === scan.open.at(-1)) endContainer(scan, index);
  else if (scan.expects === 'comma') afterValue(scan, char, index);
  else if (scan.expects === 'colon') {
    if (char === ':') scan.expects = 'value';
  } else if (scan.expects === 'key') {
    if (char === '"') [scan.token, scan.isFirst] = ['key', false];
  } else startValue(scan, char, index);
}

function endContainer(scan: Scan, index: number): void {
  scan.open.pop();
  scan.expects = scan.open.length === 0 ? 'nothing' : 'comma';
  scan.validEnd = index + 1;
}

function afterValue(scan: Scan, char: string, index: number): void {
  const isArray = scan.open.at(-1) === ']';
  if (char === ',') [scan.expects, scan.isFirst] = [isArray ? 'value' : 'key', false];
  // Whitespace, in JSON; the SDK keeps anything here, and lets the parser judge.
  else if (isArray) scan.validEnd = index + 1;
}

function startValue(scan: Scan, char: string, index: number): void {
  if (char === '{' || char === '[') {
    scan.open.push(char === '{' ? '}' : ']');
    scan.expects = char === '{' ? 'key' : 'value';
    scan.isFirst = true;
    scan.validEnd = index + 1;
    return;
  }
  const token = tokenOf(char);
  if (token === null) return;
  scan.token = token;
  scan.tokenStart = index;
  scan.isFirst = false;
  scan.expects = scan.open.length === 0 ? 'nothing' : 'comma';
  if (char !== '-') scan.validEnd = index + 1;
}

function tokenOf(char: string): 'text' | 'literal' | 'number' | null {
  if (char === '"') return 'text';
  if (char === 't' || char === 'f' || char === 'n') return 'literal';
  return char === '-' || isDigit(char) ? 'number' : null;
}

function inText(scan: Scan, char: string, index: number): void {
  if (char === '\\') {
    scan.token = 'escape';
    return;
  }
  if (char === '"') scan.token = 'none';
  scan.validEnd = index + 1;
}

function closing({ open, token, tokenStart }: Scan, text: string): string {
  const ends = open.toReversed().join('');
  if (token === 'text' || token === 'escape' || token === 'unicode') return `"${ends}`;
  if (token !== 'literal') return ends;
  const start = text.slice(tokenStart);
  return literals.find((literal) => literal.startsWith(start))!.slice(start.length) + ends;
}

function isLiteralStart(text: string): boolean {
  return literals.some((literal) => literal.startsWith(text));
}

function isDigit(char: string): boolean {
  return char >= '0' && char <= '9';
}

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Recursion is bounded by `maxDepth`. */
function isSafe(value: unknown, maxDepth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (maxDepth === 0 || hasPrototypeKey(value)) return false;
  return Object.values(value).every((inner) => isSafe(inner, maxDepth - 1));
}

function hasPrototypeKey(value: object): boolean {
  if (Object.hasOwn(value, '__proto__')) return true;
  if (!Object.hasOwn(value, 'constructor')) return false;
  const inner: unknown = value.constructor;
  return typeof inner === 'object' && inner !== null && Object.hasOwn(inner, 'prototype');
}
