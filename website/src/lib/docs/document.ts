/** The part of OpenAPI 3.1 that our document uses. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: Schema | boolean;
  enum?: unknown[];
  const?: unknown;
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
  example?: unknown;
}

interface Content {
  content?: Record<string, { schema?: Schema }>;
}

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required?: boolean;
  description?: string;
  schema?: Schema;
}

interface RawOperation {
  operationId: string;
  tags?: string[];
  summary?: string;
  description?: string;
  parameters?: Parameter[];
  requestBody?: Content & { required?: boolean };
  responses: Record<string, Content & { description: string }>;
  security?: Record<string, string[]>[];
}

export interface ApiDocument {
  info: { title: string; version: string; description?: string };
  tags?: { name: string; description?: string }[];
  paths: Record<string, Record<string, RawOperation>>;
  components?: {
    schemas?: Record<string, Schema>;
    securitySchemes?: Record<string, { name?: string; in?: string; description?: string }>;
  };
}

export interface Operation {
  id: string;
  method: string;
  path: string;
  summary: string;
  description: string;
  parameters: Parameter[];
  /** Of JSON; bytes are nothing that could be typed. */
  body: Schema | null;
  answers: { status: string; description: string; schema: Schema | null }[];
  /** Names of the schemes of which one is needed; none: anybody may ask. */
  needs: string[];
}

export interface Group {
  name: string;
  description: string;
  operations: Operation[];
}

export const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;

/** The operations by their first tag, in the order of the document. */
export function groups(document: ApiDocument): Group[] {
  const found = new Map<string, Group>();
  for (const { name, description } of document.tags ?? []) {
    found.set(name, { name, description: description ?? '', operations: [] });
  }
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of METHODS) {
      const raw = item[method];
      if (!raw) continue;
      const name = raw.tags?.[0] ?? 'API';
      const group = found.get(name) ?? { name, description: '', operations: [] };
      found.set(name, group);
      group.operations.push(operation(method, path, raw));
    }
  }
  return [...found.values()].filter((group) => group.operations.length > 0);
}

function operation(method: string, path: string, raw: RawOperation): Operation {
  return {
    id: raw.operationId,
    method: method.toUpperCase(),
    path,
    summary: raw.summary ?? '',
    description: raw.description ?? '',
    parameters: raw.parameters ?? [],
    body: raw.requestBody?.content?.['application/json']?.schema ?? null,
    answers: Object.entries(raw.responses).map(([status, answer]) => ({
      status,
      description: answer.description,
      schema: schemaOf(answer)
    })),
    needs: (raw.security ?? []).flatMap((requirement) => Object.keys(requirement))
  };
}

function schemaOf({ content }: Content): Schema | null {
  return Object.values(content ?? {})[0]?.schema ?? null;
}

export type Schemas = Record<string, Schema>;

/** The name of a schema that has one. */
export function nameOf(schema: Schema): string | null {
  return schema.$ref?.split('/').at(-1) ?? null;
}

/** A schema in one or more lines, as a type of TypeScript would say it. Named ones stay names. */
export function shape(schema: Schema, indent = ''): string {
  const name = nameOf(schema);
  if (name) return name;
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return choices.map((choice) => shape(choice, indent)).join(' | ');
  if (schema.allOf) return schema.allOf.map((part) => shape(part, indent)).join(' & ');
  const types = [schema.type ?? 'any'].flat();
  return types.map((type) => typeShape(type, schema, indent)).join(' | ');
}

function typeShape(type: string, schema: Schema, indent: string): string {
  if (type === 'array') {
    const items = shape(schema.items ?? {}, indent);
    return items.includes(' ') && !items.startsWith('{') ? `(${items})[]` : `${items}[]`;
  }
  if (type !== 'object') return schema.format ? `${type} (${schema.format})` : type;
  const inner = `${indent}  `;
  const lines = Object.entries(schema.properties ?? {}).map(([key, value]) => {
    const optional = schema.required?.includes(key) ? '' : '?';
    const note = value.description ? ` // ${value.description.split('\n')[0]}` : '';
    return `${inner}${key}${optional}: ${shape(value, inner)}${note}`;
  });
  if (typeof schema.additionalProperties === 'object') {
    lines.push(`${inner}[key]: ${shape(schema.additionalProperties, inner)}`);
  }
  return lines.length === 0 ? 'object' : `{\n${lines.join('\n')}\n${indent}}`;
}

/** The names that a schema leads to, itself not among them; each once, nearest first. */
export function mentioned(schema: Schema, schemas: Schemas): string[] {
  const found: string[] = [];
  const visit = (it: unknown): void => {
    if (typeof it !== 'object' || it === null) return;
    const name = nameOf(it as Schema);
    if (name === null) Object.values(it).forEach(visit);
    else if (!found.includes(name) && schemas[name]) {
      found.push(name);
      visit(schemas[name]);
    }
  };
  visit(schema);
  return found;
}

/** A value of the shape, to begin with. */
export function sample(schema: Schema, schemas: Schemas, depth = 0): unknown {
  if (schema.example !== undefined) return schema.example;
  const name = nameOf(schema);
  if (name) return depth > 6 ? null : sample(schemas[name] ?? {}, schemas, depth + 1);
  if (schema.enum) return schema.enum[0];
  const choices = schema.oneOf ?? schema.anyOf ?? schema.allOf;
  if (choices?.[0]) return sample(choices[0], schemas, depth + 1);
  switch ([schema.type].flat()[0]) {
    case 'object':
      return Object.fromEntries(
        Object.entries(schema.properties ?? {})
          .filter(([key]) => schema.required?.includes(key))
          .map(([key, value]) => [key, sample(value, schemas, depth + 1)])
      );
    case 'array':
      return [];
    case 'integer':
    case 'number':
      return 0;
    case 'boolean':
      return false;
    case 'string':
      return '';
    default:
      return {};
  }
}

/** The address with its variables filled in. Empty query values are left out. */
export function address(operation: Operation, values: Record<string, string>): string {
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(values[name] ?? '')
  );
  const query = new URLSearchParams();
  for (const parameter of operation.parameters) {
    const value = values[parameter.name];
    if (parameter.in === 'query' && value) query.append(parameter.name, value);
  }
  return query.size > 0 ? `${path}?${query}` : path;
}
