import type { Texts } from '../locale.svelte';

export const de: Texts = {
  'theme.label': 'Farben',
  'theme.system': 'System',
  'theme.light': 'Hell',
  'theme.dark': 'Dunkel',
  'language.label': 'Sprache',
  'language.missing': 'Die Texte für {name} lassen sich nicht laden. Bitte später noch einmal wählen.',

  'ui.retry': 'Noch einmal versuchen',
  'ui.close': 'Schließen',
  'ui.cancel': 'Abbrechen',
  'ui.clear': 'Leeren',
  'ui.clearNamed': '{label} leeren',
  'ui.looking': 'Suche läuft …',
  'ui.nothingFound': 'Nichts gefunden',
  'ui.choices': 'Auswahl',
  'ui.never': 'nie',
  'ui.now': 'gerade eben',
  'ui.unknown': 'unbekannt',
  'ui.yes': 'ja',
  'ui.no': 'nein',
  'ui.none': '–',
  'ui.updated': 'Stand: {when}',
  'ui.of': 'von {total}',
  'ui.stale': 'Verbindung verloren. Zu sehen ist der Stand von {time}.'
};
