import type { Plugin } from 'vite'

/** The face of the buttons is asked for with the page, not when the styles have come: the text is set in it at once. */
export function preloadFont(): Plugin {
  return {
    name: 'confluo-preload-font',
    apply: 'build',
    transformIndexHtml: {
      order: 'post',
      handler(_html, { bundle }) {
        const name = Object.keys(bundle ?? {}).find((file) => /hanken-grotesk-latin-wght-normal/.test(file))
        if (name === undefined) throw new Error('the font to preload is not in the build')
        const attrs = { rel: 'preload', href: `/${name}`, as: 'font', type: 'font/woff2', crossorigin: true }
        return [{ tag: 'link', attrs, injectTo: 'head' }]
      },
    },
  }
}
