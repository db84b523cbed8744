import { createHash } from 'node:crypto'
import type { Plugin } from 'vite'

/**
 * Writes the list of built files into the service worker, so that a space opens without a network after the first
 * visit: our own chunks and what they import. What Excalidraw loads only when it is used (other languages, diagrams,
 * the font subsetter) is kept when it is first used. The revision is a hash over the list: a new build is a new worker.
 */
export function offlineManifest(): Plugin {
  return {
    name: 'confluo-offline-manifest',
    apply: 'build',
    enforce: 'post',
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
      const files = ['/', '/boot.js', '/icon.svg', '/manifest.webmanifest']
      files.push(...[...kept].sort().map((name) => `/${name}`))
      const revision = createHash('sha256').update(files.join('\n')).digest('hex').slice(0, 12)
      worker.code = worker.code
        .replace(/["'`]__CONFLUO_FILES__["'`]/, JSON.stringify(JSON.stringify(files)))
        .replace('__CONFLUO_REVISION__', revision)
    },
  }
}

function isOurs(module: string | null): boolean {
  return module !== null && !module.includes('node_modules')
}
