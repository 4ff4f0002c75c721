// Built for the service, which serves the page at /graphql and the files at /explorer/. `npm run dev` serves the page at /explorer/
// and passes what is asked of the API on to a running service.
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { OLDEST } from '../browsers.mjs';

export default defineConfig({
  base: '/explorer/',
  plugins: [react()],
  worker: { format: 'es' },
  build: {
    target: OLDEST,
    // The service's content security policy takes no scripts or fonts from data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // In kB. The editor is that large, and comes after the page.
    chunkSizeWarningLimit: 3_000,
    rolldownOptions: {
      // GraphiQL makes the titles of its icons from the names of their functions.
      output: { keepNames: true },
      // Of directives to a compiler that has done its work on GraphiQL before.
      onLog: (level, log, handle) => log.code !== 'MODULE_LEVEL_DIRECTIVE' && handle(level, log),
    },
  },
  server: { proxy: { '/graphql': process.env.VOICEHIVE_URL ?? 'http://127.0.0.1:8000' } },
});
