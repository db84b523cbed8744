import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin } from 'vite'

/** What the page itself names, beside what is built. */
export const PUBLIC_FILES = ['boot.js', 'icon.svg', 'manifest.webmanifest']

/**
 * Writes the list of built files into the service worker, so that a space opens without a network after the first
 * visit: our own chunks and what they import. What Excalidraw loads only when it is used (other languages, diagrams,
 * the font subsetter) is kept when it is first used. The revision is a hash over the list and what has no hash in its
 * name: a new build is a new worker, which keeps everything anew.
 */
export function offlineManifest(): Plugin {
  let publicFolder = 'public'
  return {
    name: 'confluo-offline-manifest',
    apply: 'build',
    enforce: 'post',
    configResolved(config) {
      publicFolder = config.publicDir
    },
    generateBundle(_options, bundle) {
      const worker = bundle['sw.js']
      if (worker?.type !== 'chunk') return
      const kept = new Set<string>()
      const keep = (fileName: string): void => {
        const output = bundle[fileName]
        if (output === undefined || kept.has(fileName)) return
        kept.add(fileName)
        if (output.type === 'chunk') for (const imported of output.imports) keep(imported)
      }
      for (const output of Object.values(bundle)) {
        if (output.type === 'chunk' && output !== worker && (output.isEntry || isOurs(output.facadeModuleId)))
          keep(output.fileName)
        if (output.type === 'asset' && /\.css$|-latin-(wght|[47]00)-.*\.woff2$/.test(output.fileName))
          keep(output.fileName)
      }
      const page = bundle['index.html']
      if (page?.type !== 'asset') throw new Error('the page to keep is not in the build')
      const files = ['', ...PUBLIC_FILES, ...[...kept].sort()].map((name) => `/${name}`)
      const hash = createHash('sha256').update(files.join('\n')).update(page.source)
      for (const name of PUBLIC_FILES) hash.update(readFileSync(join(publicFolder, name)))
      const revision = hash.digest('hex').slice(0, 12)
      worker.code = worker.code
        .replace(/["'`]__CONFLUO_FILES__["'`]/, JSON.stringify(JSON.stringify(files)))
        .replace('__CONFLUO_REVISION__', revision)
    },
  }
}

function isOurs(module: string | null): boolean {
  return module !== null && !module.includes('node_modules')
}
