import type { Plugin } from 'vite'

/** The face of the buttons, and the upright one of the page: what every visit needs, in the letters of this app. */
export const FIRST_FONTS = /(hanken-grotesk-latin-wght-normal|literata-latin-400-normal)-.*\.woff2$/

const BUTTON_FONT = /hanken-grotesk-latin-wght-normal-.*\.woff2$/

/**
 * Of the faces' two formats only the one that every browser of today reads. The face of the buttons is asked for with
 * the page, not when the styles have come: the text is set in it at once.
 */
export function fonts(): Plugin {
  return {
    name: 'confluo-fonts',
    enforce: 'pre',
    transform(code, id) {
      if (!id.includes('@fontsource') || !id.endsWith('.css')) return null
      return { code: code.replace(/,\s*url\([^)]+\.woff\) format\('woff'\)/g, ''), map: null }
    },
    transformIndexHtml: {
      order: 'post',
      handler(_html, { bundle }) {
        if (bundle === undefined) return
        const name = Object.keys(bundle).find((file) => BUTTON_FONT.test(file))
        if (name === undefined) throw new Error('the font to preload is not in the build')
        const attrs = { rel: 'preload', href: `/${name}`, as: 'font', type: 'font/woff2', crossorigin: true }
        return [{ tag: 'link', attrs, injectTo: 'head' }]
      },
    },
  }
}
