import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import tailwindcss from '@tailwindcss/vite';
import { defineConfig } from 'vite';

/** Where the control API is while developing: the sandbox of `splashtail up`. */
const control = process.env.CONTROL_ORIGIN ?? 'http://127.0.0.1:4402';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** The page of the sandbox: plain files that its control listener serves. */
export default defineConfig({
  root: path('sandbox'),
  publicDir: path('static'),
  plugins: [tailwindcss(), svelte({ configFile: false })],
  resolve: { alias: { $lib: path('src/lib') } },
  server: { proxy: { '/ctl': { target: control, changeOrigin: true } } },
  build: { outDir: path('build-sandbox'), emptyOutDir: true }
});
