import type { Message } from '../message';

/**
 * The texts of the kit (`$lib/ui`, `$lib/layout`), which every page has. `{name}` is a placeholder, a
 * plural is chosen by `{count}`, and what stands between backticks is shown as code. Whole sentences
 * only: other languages order words otherwise.
 */
export const en = {
  'theme.label': 'Theme',
  'theme.system': 'System',
  'theme.light': 'Light',
  'theme.dark': 'Dark',
  'language.label': 'Language',
  'language.missing': 'The texts for {name} cannot be loaded. Choose it again later.',

  'ui.retry': 'Try again',
  'ui.working': 'Working…',
  'ui.stillWaiting': 'Still waiting.',
  'ui.tryNow': 'Try now',
  'ui.dismiss': 'Dismiss',
  'ui.request': 'Request number',
  'ui.progress': '{label}: {percent}',
  'ui.menu': 'Menu',
  'ui.removeNamed': 'Remove {name}',
  'ui.leave': 'Leave without saving your changes?',
  'ui.unsaved': 'Unsaved changes',
  'ui.discard': 'Discard',
  'ui.save': 'Save',
  'ui.close': 'Close',
  'ui.cancel': 'Cancel',
  'ui.clear': 'Clear',
  'ui.clearNamed': 'Clear {label}',
  'ui.looking': 'Looking…',
  'ui.nothingFound': 'Nothing found',
  'ui.choices': 'Choices',
  'ui.never': 'never',
  'ui.now': 'just now',
  'ui.unknown': 'unknown',
  'ui.yes': 'yes',
  'ui.no': 'no',
  'ui.none': '–',
  'ui.updated': 'Updated {when}',
  'ui.of': 'of {total}',
  'ui.stale': 'Connection lost. You see the state of {time}.'
} satisfies Record<string, Message>;
