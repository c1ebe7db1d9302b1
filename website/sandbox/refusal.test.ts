import { expect, it } from 'vitest';
import { refused } from './refusal';

it.each([
  [{ status: 403, body: { message: 'Missing Permissions', code: 50013 } }, 'Missing Permissions'],
  [{ status: 502, body: null }, 'Refused with status 502.'],
  [
    { status: 429, body: { message: 'You are being rate limited.', retry_after: 3.25, global: false } },
    'You are being rate limited. Try again in 3.3 s.'
  ],
  [
    {
      status: 400,
      body: {
        message: 'Invalid Form Body',
        code: 50035,
        errors: {
          content: { _errors: [{ code: 'BASE_TYPE_MAX_LENGTH', message: 'Must be 2000 or fewer in length.' }] },
          embeds: { '0': { title: { _errors: [{ code: 'BASE_TYPE_REQUIRED', message: 'This field is required' }] } } }
        }
      }
    },
    'content: Must be 2000 or fewer in length. embeds.0.title: This field is required'
  ]
])('says why a request was refused', (answer, said) => {
  expect(refused(answer)).toBe(said);
});
