import type { CanonicalModule } from '$lib/api/client';

export type Operation = 'View' | 'Create' | 'Update' | 'Delete';

export type Inner =
  | { String: { min_length: number | null; max_length: number | null; allowed_values: string[]; kind: string } }
  | { Integer: { min: number; max: number } }
  | { Float: { min: number; max: number } }
  | { BitFlag: { values: Record<string, number> } }
  | { Boolean: object }
  | { Timestamp: object }
  | { Interval: { min_s: number; max_s: number } }
  | { Json: { max_bytes: number } };

export interface Column {
  id: string;
  name: string;
  description: string;
  column_type: { Scalar: { inner: Inner } } | { Array: { inner: Inner } };
  nullable: boolean;
  unique: boolean;
  /** Its value is never shown. */
  secret: boolean;
  ignored_for: Operation[];
}

/** A setting as the bot declares it; pages are made from that alone. */
export interface Setting {
  id: string;
  name: string;
  description: string;
  primary_key: string;
  title_template: string;
  columns: Column[];
  operations: Operation[];
  max_entries: number;
}

export interface Declared {
  module: string;
  moduleName: string;
  setting: Setting;
}

/** All settings of the modules, in their order. */
export function declaredIn(modules: CanonicalModule[]): Declared[] {
  return modules.flatMap((module) =>
    (module.config_options ?? []).map((setting) => ({ module: module.id, moduleName: module.name, setting: setting as unknown as Setting }))
  );
}

export const innerOf = ({ column_type }: Column): Inner => ('Array' in column_type ? column_type.Array.inner : column_type.Scalar.inner);
export const isList = ({ column_type }: Column): boolean => 'Array' in column_type;

/** The kind of text that a column takes; `null` for what is no text. */
export function textKind(column: Column): string | null {
  const inner = innerOf(column);
  return 'String' in inner ? inner.String.kind : null;
}

/** What one of a few values is called, if there are only few. */
export function allowedIn(column: Column): string[] {
  const inner = innerOf(column);
  return 'String' in inner ? inner.String.allowed_values : [];
}
