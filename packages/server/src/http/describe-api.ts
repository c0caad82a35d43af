import { anyBodyErrors, anyCallErrors, describeOpenApi } from './describe-openapi.ts';

/** `docs/api.md`: what `docs/openapi.json` says, for people. */
export function describeApi(): string {
  const { paths, tags, components } = describeOpenApi() as unknown as Document;
  const calls = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, call]) => ({ method: method.toUpperCase(), path, call })),
  );
  const sections = tags.map(({ name, description }) => {
    const own = calls.filter(({ call }) => call.tags.includes(name));
    const texts = own.map((each) => describeCall(each, components));
    return `## ${capitalized(name)}\n\n${description}.\n\n${texts.join('\n')}`;
  });
  const shapes = Object.entries(components.schemas).map(([name, schema]) => describeShape(name, schema));
  return `${introduction}${sections.join('\n')}\n## Shapes\n\n${shapes.join('\n')}`;
}

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly enum?: readonly string[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly description?: string;
  readonly examples?: readonly unknown[];
}

interface Content {
  readonly content: Readonly<Record<string, { readonly schema: Schema }>>;
}

interface Call {
  readonly tags: readonly string[];
  readonly summary: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[];
  readonly requestBody?: Content & { readonly required: boolean };
  readonly responses: Readonly<Record<string, { readonly $ref?: string } & Partial<Content>>>;
}

interface Document {
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Call>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly responses: Readonly<Record<string, Content>>;
  };
}

interface PlacedCall {
  readonly method: string;
  readonly path: string;
  readonly call: Call;
}

function describeCall({ method, path, call }: PlacedCall, components: Document['components']): string {
  const lines = [`### ${method} ${path}`, '', `${call.summary}.`, ''];
  for (const { name, in: place, schema } of call.parameters ?? []) {
    lines.push(`- \`${name}\` in the ${place}: ${describeSchema(schema)}`);
  }
  if (call.requestBody) {
    const { required, content } = call.requestBody;
    lines.push(`- body${required ? '' : ', which may be left out'}: ${describeContent({ content })}`);
  }
  for (const [status, { $ref, content }] of Object.entries(call.responses)) {
    if ($ref === undefined && content) lines.push(`- answer ${status}: ${describeContent({ content })}`);
  }
  const codes = Object.values(call.responses).flatMap(({ $ref }) =>
    $ref === undefined ? [] : codesOf(components.responses[nameOf($ref)]!),
  );
  const own = codes.filter((code) => !everywhere.has(code)).map(linkToError);
  if (own.length > 0) lines.push(`- errors of its own: ${own.join(', ')}`);
  return `${lines.join('\n')}\n`;
}

function describeShape(name: string, schema: Schema): string {
  const { properties, description, examples } = schema;
  const lines = [`### ${name}`, ''];
  if (description) lines.push(`${description}.`, '');
  if (properties) {
    lines.push('| Field | | |', '| --- | --- | --- |');
    for (const [field, each] of Object.entries(properties)) {
      const isRequired = schema.required?.includes(field) ?? false;
      lines.push(`| \`${field}\` | ${isRequired ? '' : 'optional'} | ${describeSchema(each)} |`);
    }
    lines.push('');
  } else lines.push(`${capitalized(describeSchema(schema))}.`, '');
  if (examples && properties) lines.push('```json', JSON.stringify(examples[0], null, 2), '```', '');
  return lines.join('\n');
}

function describeSchema(schema: Schema): string {
  const { $ref, anyOf, items, type, default: usual } = schema;
  if ($ref !== undefined) return `[${nameOf($ref)}](#${nameOf($ref).toLowerCase()})`;
  const suffix = usual === undefined ? '' : `; \`${JSON.stringify(usual)}\` by default`;
  if (anyOf) return `${anyOf.map(describeSchema).join(' or ')}${suffix}`;
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum) return `${schema.enum.map((each) => `\`${each}\``).join(', ')}${suffix}`;
  if (type === 'array') return `list of ${describeSchema(items ?? {})}`;
  const base = schema.format === 'date-time' ? 'time' : [type ?? 'anything'].flat().join(' or ');
  return `${base}${describeRange(schema)}${suffix}`;
}

function describeRange({ minimum, maximum, minLength, maxLength }: Schema): string {
  if (maxLength !== undefined) return ` of ${minLength ?? 0} to ${maxLength} characters`;
  if (maximum !== undefined) return ` from ${minimum} to ${maximum}`;
  return minimum === undefined ? '' : `, at least ${minimum}`;
}

function describeContent({ content }: Content): string {
  return describeSchema(Object.values(content)[0]!.schema);
}

/** What a response of errors names: its schema is a problem with one of these codes. */
function codesOf({ content }: Content): readonly string[] {
  const { allOf } = Object.values(content)[0]!.schema as { allOf: readonly Schema[] };
  return allOf[1]!.properties!['code']!.enum!;
}

function linkToError(code: string): string {
  return `[\`${code}\`](errors.md#${code})`;
}

function nameOf(ref: string): string {
  return ref.split('/').at(-1)!;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const everywhere: ReadonlySet<string> = new Set([...anyCallErrors, ...anyBodyErrors]);

const introduction = `# API reference

Every call of REST with its parameters, shapes and errors. This page is made by \`npm run docs\` from the routes, like
[openapi.json](openapi.json), which says the same to programs; [rest.md](rest.md) explains it.

Any call may be answered with ${anyCallErrors.map(linkToError).join(', ')}; one that is no
GET also with ${anyBodyErrors.map(linkToError).join(', ')}.

`;
