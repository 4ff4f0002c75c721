// Built for /admin, where the service serves it; `npm run dev` passes what is asked of the API on to a running service.
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { OLDEST } from '../browsers.mjs';

export default defineConfig({
  base: '/admin/',
  plugins: [react()],
  // The service's content security policy takes no data: addresses.
  build: { target: OLDEST, assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { proxy: { '/graphql': process.env.VOICEHIVE_URL ?? 'http://127.0.0.1:8000' } },
});
