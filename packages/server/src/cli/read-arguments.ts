import { parseArgs } from 'node:util';
import { UsageError, unknownName } from './usage-error.ts';

/** What may follow the name of a command. */
export interface CommandForm<Options extends OptionForms> {
  /** As it is typed, as `agent test`. */
  readonly name: string;
  readonly options: Options;
  /** What is needed beside options, in order, as `URL`. */
  readonly operands?: readonly string[];
}

type OptionForms = Readonly<
  Record<string, { readonly type: 'string' | 'boolean'; readonly default?: string | boolean }>
>;
type Parsed<Options extends OptionForms> = ReturnType<
  typeof parseArgs<{ args: string[]; options: Options; allowPositionals: true }>
>;

/**
 * The options and operands of a command; throws a `UsageError`.
 * What `parseArgs` throws by itself is for programmers, and knows no names that are near.
 */
export function readArguments<const Options extends OptionForms>(
  args: readonly string[],
  form: CommandForm<Options>,
): { readonly values: Parsed<Options>['values']; readonly operands: readonly string[] } {
  const config = { args: [...args], options: form.options, allowPositionals: true } as const;
  const { tokens } = parseArgs({ ...config, strict: false, tokens: true });
  for (const token of tokens) if (token.kind === 'option') checkOption(token, form);
  const { values, positionals } = parseArgs(config);
  checkOperands(positionals, form);
  return { values, operands: positionals };
}

interface OptionToken {
  readonly name: string;
  /** With its dashes. */
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function checkOption(
  { name, rawName, value, inlineValue }: OptionToken,
  { name: command, options }: CommandForm<OptionForms>,
): void {
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  if (option === undefined) {
    const known = Object.keys(options).map((each) => `--${each}`);
    throw unknownName(`option of ${command}`, rawName, known);
  }
  if (option.type === 'boolean') {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value`);
  } else if (value === undefined) {
    throw new UsageError(`${rawName} needs a value`);
  } else if (!inlineValue && /^-./.test(value)) {
    // What follows is another option, as a rule.
    throw new UsageError(`${rawName} needs a value; one that begins with a dash is written ${rawName}=…`);
  }
}

function checkOperands(given: readonly string[], { name, operands = [] }: CommandForm<OptionForms>): void {
  const form = ['fleetlm', name, ...operands].join(' ');
  const missing = operands.slice(given.length);
  if (missing.length > 0) {
    throw new UsageError(`${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} missing: ${form}`);
  }
  const surplus = given[operands.length];
  if (surplus !== undefined) throw new UsageError(`"${surplus}" is one argument too many: ${form}`);
}
