import type { Message } from '../message';

/** The texts of the API browser. */
export const en = {
  'docs.page': 'API · AntiRaid',
  'docs.description': 'Read and try the AntiRaid API.',
  'docs.loading': 'Loading the document of the API…',
  'docs.failed': 'The document of the API cannot be loaded',
  'docs.at': 'The document itself is at `/openapi`.',
  'docs.version': 'Version {version}',
  'docs.tokens': 'Tokens',
  'docs.tokensHelp': 'They stay in this page and are sent only with what you try here.',
  'docs.groups': 'Groups of operations',
  'docs.needs': 'Needs',
  'docs.anyone': 'Anybody may ask.',
  'docs.parameters': 'Parameters',
  'docs.required': 'required',
  'docs.bodyOf': 'Body, as JSON',
  'docs.answers': 'Answers',
  'docs.shape': 'Shape of {name}',
  'docs.send': 'Send',
  'docs.sendNamed': 'Send {method} {path}',
  'docs.sending': 'Sending…',
  'docs.sends': 'This changes something on this installation.',
  'docs.answer': 'Answer: {status} after {ms} ms',
  'docs.redirect': 'a redirect, which browsers do not show to a page',
  'docs.noAnswer': 'No answer: {reason}',
  'docs.open': 'Open in the browser'
} satisfies Record<string, Message>;
