import { Extension } from '@tiptap/core'
import { NodeSelection, Plugin, TextSelection, type Transaction } from '@tiptap/pm/state'
import type { EditorView } from '@tiptap/pm/view'

/** Turns a file into a data URL for the document, or null when it was refused (and the person told why). */
export type StoreImage = (file: File) => Promise<string | null>

/** Images by paste and by drop, stored in the document itself so that they are there offline too. */
export const InsertImages = Extension.create<{ storeImage: StoreImage }>({
  name: 'insertImages',
  addOptions() {
    return { storeImage: async () => null }
  },
  addProseMirrorPlugins() {
    const { storeImage } = this.options
    return [
      new Plugin({
        props: {
          handlePaste(view, event) {
            const files = imageFiles(event.clipboardData)
            if (files.length === 0 || hasText(event.clipboardData?.getData('text/html') ?? '')) return false
            void insertImages(view, files, storeImage, null)
            return true
          },
          handleDrop(view, event) {
            const files = imageFiles(event.dataTransfer)
            if (files.length === 0) return false
            event.preventDefault()
            const position = view.posAtCoords({ left: event.clientX, top: event.clientY })?.pos ?? null
            void insertImages(view, files, storeImage, position)
            return true
          },
        },
      }),
    ]
  },
})

/** Inserts at `position`, or where the selection is once the image is ready. */
export async function insertImages(
  view: EditorView,
  files: readonly File[],
  storeImage: StoreImage,
  position: number | null,
): Promise<void> {
  for (const file of files) {
    const src = await storeImage(file)
    const type = view.state.schema.nodes.image
    if (src === null || type === undefined || view.isDestroyed) continue
    const node = type.create({ src, alt: file.name.replace(/\.[a-z0-9]+$/i, '') })
    const { tr } = view.state
    const end = view.state.doc.content.size
    if (position === null) putCaretAfter(tr.replaceSelectionWith(node))
    else tr.insert(Math.min(position, end), node)
    view.dispatch(tr.scrollIntoView())
  }
}

/** An image that stays selected would be replaced by the next letter. */
function putCaretAfter(tr: Transaction): void {
  if (!(tr.selection instanceof NodeSelection)) return
  const { to } = tr.selection
  const paragraph = tr.doc.type.schema.nodes.paragraph
  if (paragraph !== undefined && !tr.doc.resolve(to).nodeAfter?.isTextblock) tr.insert(to, paragraph.create())
  tr.setSelection(TextSelection.near(tr.doc.resolve(to)))
}

/**
 * A copied table or paragraph comes with a picture of itself, and its text is wanted then. An image that was copied from
 * a page comes with HTML too, which only says where it was.
 */
function hasText(html: string): boolean {
  return (new DOMParser().parseFromString(html, 'text/html').body.textContent ?? '').trim() !== ''
}

function imageFiles(data: DataTransfer | null): File[] {
  return [...(data?.files ?? [])].filter((file) => file.type.startsWith('image/'))
}
