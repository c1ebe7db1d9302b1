import type { Texts } from '../locale.svelte';
import type { DocsKey } from './locale';

export const de: Texts<DocsKey> = {
  'docs.page': 'API · AntiRaid',
  'docs.description': 'Die API von AntiRaid lesen und ausprobieren.',
  'docs.loading': 'Das Dokument der API wird geladen …',
  'docs.failed': 'Das Dokument der API lässt sich nicht laden',
  'docs.at': 'Das Dokument selbst liegt unter `/openapi`.',
  'docs.version': 'Version {version}',
  'docs.tokens': 'Tokens',
  'docs.tokensHelp':
    'Sie bleiben auf dieser Seite und werden nur mit dem gesendet, was hier ausprobiert wird.',
  'docs.groups': 'Gruppen von Operationen',
  'docs.needs': 'Braucht',
  'docs.anyone': 'Alle dürfen fragen.',
  'docs.parameters': 'Parameter',
  'docs.required': 'nötig',
  'docs.bodyOf': 'Inhalt als JSON',
  'docs.answers': 'Antworten',
  'docs.shape': 'Form von {name}',
  'docs.send': 'Senden',
  'docs.sendNamed': 'Senden: {method} {path}',
  'docs.sending': 'Wird gesendet …',
  'docs.sends': 'Das ändert etwas an dieser Installation.',
  'docs.answer': 'Antwort: {status} nach {ms} ms',
  'docs.redirect': 'eine Weiterleitung, die der Browser keiner Seite zeigt',
  'docs.noAnswer': 'Keine Antwort: {reason}',
  'docs.open': 'Im Browser öffnen'
};
