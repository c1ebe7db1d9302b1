import { readFileSync } from 'node:fs';
import adapter from '@sveltejs/adapter-static';

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));

/** @type {import('@sveltejs/kit').Config} */
export default {
  kit: {
    // Every page is a file; 404.html is rendered by the client for addresses without one.
    adapter: adapter({ pages: 'build', assets: 'build', fallback: '404.html', precompress: true }),
    // The webserver sends the content security policy, with hashes of the scripts found here.
    paths: { relative: false },
    // Guides come from `docs/`; a test of theirs names links that lead nowhere.
    prerender: {
      handleMissingId: 'warn',
      handleHttpError: ({ path, message }) => {
        if (!path.startsWith('/guides/')) throw new Error(message);
      }
    },
    // The sandbox's page is no part of the site, but checked with it.
    typescript: {
      config: (config) => {
        config.include.push('../sandbox/**/*.ts', '../sandbox/**/*.svelte', '../sandbox/answers.json');
        config.include.push('../vite.sandbox.config.ts');
      }
    },
    version: { name: version, pollInterval: 0 }
  }
};
