import { sveltekit } from '@sveltejs/kit/vite';
import tailwindcss from '@tailwindcss/vite';
import { svelteTesting } from '@testing-library/svelte/vite';
import { defineConfig } from 'vitest/config';

/** Where the API is while developing: the webserver of `splashtail up`. */
const api = process.env.API_ORIGIN ?? 'http://localhost:8081';

export default defineConfig({
  plugins: [tailwindcss(), sveltekit(), svelteTesting()],
  server: {
    // The guides are read from `docs/`.
    fs: { allow: ['..'] },
    proxy: Object.fromEntries(
      ['/clusters', '/mewld/api', '/jobs', '/openapi', '/entities', '/tasks', '/ioauth', '/auth/test'].map((path) => [
        path,
        { target: api, changeOrigin: false }
      ])
    )
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.ts', 'sandbox/**/*.test.ts'],
    restoreMocks: true,
    setupFiles: ['tests/patience.ts'],
    // Longer than anything takes that is only late because the machine is busy.
    testTimeout: 120_000,
    hookTimeout: 120_000
  }
});
