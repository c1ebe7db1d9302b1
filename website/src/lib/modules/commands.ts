import type { CanonicalModule } from '$lib/api/client';
import type { Checks } from './checks';

type Command = CanonicalModule['commands'][number];
type Data = Command['command'];

/** What a person can type. */
export interface Leaf {
  /** `backups create`. */
  name: string;
  description: string;
  nsfw: boolean;
  arguments: Data['arguments'];
  checks: Checks;
  enabled: boolean;
}

export interface Group {
  id: string;
  name: string;
  description: string;
  commands: Leaf[];
}

/** The modules with what can be typed, as far as they are to be seen, for a search. */
export function groups(modules: CanonicalModule[], query = ''): Group[] {
  const wanted = query.trim().replace(/^\//, '').toLowerCase();
  const fits = (leaf: Leaf) => `${leaf.name} ${leaf.description}`.toLowerCase().includes(wanted);
  return modules
    .filter((module) => !module.web_hidden && !module.virtual_module)
    .map((module) => ({
      id: module.id,
      name: module.name,
      description: module.description ?? '',
      commands: module.commands.flatMap((command) => leaves(command, command.command)).filter(fits)
    }))
    .filter((group) => group.commands.length > 0);
}

/** A command with subcommands may not be typed itself, where Discord asks for one of them. */
function leaves(root: Command, data: Data): Leaf[] {
  const path = data.qualified_name.slice(root.command.qualified_name.length).trim();
  const extended = root.extended_data[path] ?? root.extended_data[''];
  const below = data.subcommands.flatMap((sub) => leaves(root, sub));
  const typed = data.subcommands.length === 0 || !data.subcommand_required;
  if (!typed || extended?.web_hidden || extended?.virtual_command) return below;
  const own: Leaf = {
    name: data.qualified_name,
    description: data.description ?? '',
    nsfw: data.nsfw,
    arguments: data.arguments,
    checks: (extended?.default_perms ?? {}) as Checks,
    enabled: extended?.is_default_enabled ?? true
  };
  return [own, ...below];
}
