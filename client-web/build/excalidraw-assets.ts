import { cpSync, createReadStream, existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, normalize } from 'node:path'
import type { Plugin } from 'vite'

const require = createRequire(import.meta.url)

/**
 * Serves the whiteboard's fonts from our own origin, and takes the other host out of its code: the component falls
 * back to a public CDN for a font it cannot find, which a page that loads nothing from elsewhere must not do.
 *
 * The hand-drawn Chinese, Japanese and Korean face (13 MB in 209 files) is left out; such text uses the system's font.
 */
export function excalidrawAssets(): Plugin {
  const fontFolder = join(dirname(require.resolve('@excalidraw/excalidraw')), '../prod/fonts')
  const isShipped = (path: string): boolean => !path.includes('Xiaolai')
  let outputFolder = 'dist'
  return {
    name: 'confluo-excalidraw-assets',
    configResolved(config) {
      outputFolder = join(config.root, config.build.outDir)
    },
    transform(code, id) {
      if (!id.includes('excalidraw')) return null
      const changed = code
        // It stands in a template literal, which goes on with the package's name and version: a folder that is not there.
        // biome-ignore lint/suspicious/noTemplateCurlyInString: this is the text of the other program's template
        .replaceAll('https://esm.sh/', '${globalThis.location.origin}/excalidraw/')
        // What is under this heading are the shapes that come with the app.
        .replaceAll('excalidrawLib:"Excalidraw Library"', 'excalidrawLib:"Shapes"')
      return changed === code ? null : { code: changed, map: null }
    },
    configureServer(server) {
      server.middlewares.use('/excalidraw/fonts', (request, response, next) => {
        const file = join(fontFolder, normalize(decodeURIComponent(request.url ?? '')))
        if (!file.startsWith(fontFolder) || !existsSync(file)) return next()
        response.setHeader('content-type', 'font/woff2')
        createReadStream(file).pipe(response)
      })
    },
    writeBundle() {
      cpSync(fontFolder, join(outputFolder, 'excalidraw/fonts'), { recursive: true, filter: isShipped })
    },
  }
}
