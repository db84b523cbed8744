import { type Editor, Extension } from '@tiptap/core'
import type { Node } from '@tiptap/pm/model'
import { NodeSelection, Plugin, TextSelection, type Transaction } from '@tiptap/pm/state'
import { insertPoint } from '@tiptap/pm/transform'
import { describeImageProblem } from '../model/image-limits.ts'
import { say } from '../parts/toasts.tsx'

/** Turns a file into a data URL for the document, or null when it was refused (and the person told why). */
export type StoreImage = (file: File) => Promise<string | null>

/** Images by paste and by drop, stored in the document itself so that they are there offline too. */
export const InsertImages = Extension.create<{ storeImage: StoreImage }>({
  name: 'insertImages',
  addOptions() {
    return { storeImage: async () => null }
  },
  addProseMirrorPlugins() {
    const { editor } = this
    const { storeImage } = this.options
    return [
      new Plugin({
        props: {
          handlePaste(_view, event) {
            const files = imageFiles(event.clipboardData)
            if (files.length === 0 || hasText(event.clipboardData?.getData('text/html') ?? '')) return false
            void insertImages(editor, files, storeImage, null)
            return true
          },
          handleDrop(view, event, _slice, isMoved) {
            const files = imageFiles(event.dataTransfer)
            // A picture that is moved within the page comes as a file, too.
            if (isMoved || files.length === 0) return false
            event.preventDefault()
            const position = view.posAtCoords({ left: event.clientX, top: event.clientY })?.pos ?? null
            void insertImages(editor, files, storeImage, position)
            return true
          },
        },
      }),
    ]
  },
})

/**
 * Inserts one behind the other at `position`, wherever edits have moved it by the time that an image is ready; or else
 * where the selection is then.
 */
export async function insertImages(
  editor: Editor,
  files: readonly File[],
  storeImage: StoreImage,
  position: number | null,
): Promise<void> {
  const { utils } = editor
  let place = position === null ? null : utils.createMappablePosition(position)
  const follow = ({ transaction }: { transaction: Transaction }): void => {
    if (place !== null) place = utils.getUpdatedPosition(place, transaction).position
  }
  editor.on('transaction', follow)
  try {
    for (const file of files) {
      const src = await storeImage(file).catch(() => {
        say(describeImageProblem({ kind: 'unreadable' }), 'problem')
        return null
      })
      const type = editor.schema.nodes.image
      if (editor.isDestroyed) return
      if (src === null || type === undefined) continue
      const node = type.create({ src, alt: file.name.replace(/\.[a-z0-9]+$/i, '') })
      if (place === null) {
        const { tr } = editor.state
        putCaretAfter(tr.replaceSelectionWith(node))
        editor.view.dispatch(tr.scrollIntoView())
      } else place = utils.createMappablePosition(insertAt(editor, place.position, node))
    }
  } finally {
    editor.off('transaction', follow)
  }
}

/** Gives the position behind what is inserted. */
function insertAt(editor: Editor, position: number, node: Node): number {
  const { tr } = editor.state
  const near = Math.min(position, tr.doc.content.size)
  // At the edge of a paragraph there is no need to split it.
  const point = insertPoint(tr.doc, near, node.type) ?? near
  editor.view.dispatch(tr.insert(point, node).scrollIntoView())
  return tr.mapping.map(point)
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
