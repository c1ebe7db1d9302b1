import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { address, groups, mentioned, sample, shape, type ApiDocument, type Operation } from './document';

const document = JSON.parse(readFileSync('openapi.json', 'utf8')) as ApiDocument;
const operations = groups(document).flatMap((group) => group.operations);
const find = (id: string): Operation => operations.find((operation) => operation.id === id)!;
const schemas = document.components!.schemas!;

describe('our own document', () => {
  it('is shown with every operation', () => {
    const described = Object.values(document.paths).flatMap((item) => Object.keys(item));
    expect(operations).toHaveLength(described.length);
    expect(new Set(operations.map((operation) => operation.id)).size).toBe(operations.length);
  });

  it('has a shape and a sample for whatever is sent and answered', () => {
    for (const operation of operations) {
      for (const schema of [operation.body, ...operation.answers.map((answer) => answer.schema)]) {
        if (!schema) continue;
        expect(shape(schema), operation.id).not.toContain('undefined');
        for (const name of mentioned(schema, schemas)) expect(shape(schemas[name]!)).not.toBe('any');
      }
      if (operation.body) expect(sample(operation.body, schemas), operation.id).toBeTypeOf('object');
    }
  });

  it('knows which token is needed', () => {
    expect(find('list_tasks').needs).toEqual(expect.arrayContaining(['User', 'Server']));
    expect(find('get_openapi').needs).toEqual([]);
  });
});

describe('shape', () => {
  it('reads like a type', () => {
    const schema = {
      type: 'object',
      required: ['id'],
      properties: {
        id: { type: 'string', description: 'Which one\nmore' },
        tags: { type: 'array', items: { oneOf: [{ type: 'string' }, { type: 'null' }] } },
        next: { $ref: '#/components/schemas/Next' }
      }
    };
    expect(shape(schema)).toBe('{\n  id: string // Which one\n  tags?: (string | null)[]\n  next?: Next\n}');
  });

  it('ends where schemas contain themselves', () => {
    const schemas = { Tree: { type: 'object', required: ['sub'], properties: { sub: { $ref: '#/x/Tree' } } } };
    expect(mentioned({ $ref: '#/x/Tree' }, schemas)).toEqual(['Tree']);
    expect(sample({ $ref: '#/x/Tree' }, schemas)).toBeTruthy();
  });
});

it('escapes what is put into an address', () => {
  const operation = { ...find('get_openapi'), path: '/a/{id}/b', parameters: [
    { name: 'id', in: 'path' as const }, { name: 'q', in: 'query' as const }, { name: 'r', in: 'query' as const }
  ] };
  expect(address(operation, { id: '../x?', q: 'a b&c', r: '' })).toBe('/a/..%2Fx%3F/b?q=a+b%26c');
});
