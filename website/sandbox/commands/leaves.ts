import type { Command, CommandOption } from '../types';

/** A command that can be run: of one with subcommands there is one for each. */
export interface Leaf {
  /** With subcommands after spaces. */
  name: string;
  description: string;
  application: string;
  options: CommandOption[];
}

const isBranch = (option: CommandOption) => option.type === 1 || option.type === 2;

export function leaves(commands: Command[]): Leaf[] {
  return commands
    .filter((command) => command.type === 1)
    .flatMap((command) => below(command, command.name, command.application.name));
}

function below(
  { description, options = [] }: Pick<CommandOption, 'description' | 'options'>,
  name: string,
  application: string
): Leaf[] {
  const branches = options.filter(isBranch);
  if (branches.length === 0) return [{ name, description, application, options }];
  return branches.flatMap((branch) => below(branch, `${name} ${branch.name}`, application));
}

/** Leaves whose name begins with what was typed come first, then those that contain it. */
export function matching(all: Leaf[], typed: string): Leaf[] {
  const wanted = typed.replace(/^\//, '').trim().toLowerCase();
  const rank = (leaf: Leaf) => {
    const name = leaf.name.toLowerCase();
    return name.startsWith(wanted) ? 0 : name.includes(wanted) ? 1 : 2;
  };
  return all
    .map((leaf) => ({ leaf, rank: rank(leaf) }))
    .filter(({ rank }) => rank < 2)
    .sort((a, b) => a.rank - b.rank)
    .slice(0, 50)
    .map(({ leaf }) => leaf);
}

/** The value of an option as the control API takes it; throws what is wrong with it. */
export function optionValue(option: CommandOption, text: string): string | number | boolean {
  switch (option.type) {
    case 4:
    case 10: {
      const value = Number(text);
      const whole = option.type !== 4 || Number.isInteger(value);
      if (text.trim() === '' || !Number.isFinite(value) || !whole) {
        throw new Error(`${option.name} has to be a ${option.type === 4 ? 'whole ' : ''}number.`);
      }
      return value;
    }
    case 5:
      return text === 'true';
    default:
      return text;
  }
}
