/// <reference types="vitest/config" />
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
import { excalidrawAssets } from './build/excalidraw-assets.ts'
import { fonts } from './build/fonts.ts'
import { noHistory } from './build/no-history.ts'
import { offlineManifest } from './build/offline-manifest.ts'
import { sizeReport } from './build/size-report.ts'

export default defineConfig({
  plugins: [react(), fonts(), noHistory(), excalidrawAssets(), offlineManifest(), sizeReport()],
  build: {
    target: 'es2022',
    chunkSizeWarningLimit: 3000,
    assetsInlineLimit: 0,
    // Where a browser does not know how to load ahead, it loads a little later.
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: { index: 'index.html', sw: 'src/service-worker/sw.ts' },
      output: {
        // Our own part of the whiteboard stands apart from Excalidraw, so that a profile tells whose time it was.
        codeSplitting: {
          includeDependenciesRecursively: false,
          groups: [{ name: 'board', test: /src\/whiteboard\/(?!Whiteboard)/ }],
        },
        entryFileNames: (chunk) => (chunk.name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js'),
      },
    },
  },
  server: {
    proxy: { '/sync': { target: process.env.CONFLUO_URL ?? 'http://127.0.0.1:8787', ws: true } },
  },
  test: { include: ['{src,build}/**/*.test.ts'], environment: 'node' },
})
