import { Image } from '@tiptap/extension-image'

/**
 * An image that is in the document. What is pasted with an address elsewhere is left out: the page's policy would not
 * show it, and an image that is fetched tells its host who reads.
 */
export const PageImage = Image.extend({
  parseHTML() {
    return [{ tag: 'img[src^="data:image/"]' }]
  },
}).configure({ allowBase64: true, inline: false })
