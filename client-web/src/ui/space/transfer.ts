import type { Editor } from '@tiptap/core'
import * as Y from 'yjs'
import { loadPartOrSay } from '../../parts/missing-part.ts'
import { say } from '../../parts/toasts.tsx'
import type { BoardApi } from '../../whiteboard/board-api.ts'
import type { SpaceSession } from './session.ts'

const loadTransfer = () => import('../../editor/transfer.ts')

/** The whole space as one Yjs update: what any Yjs program can apply. */
export function downloadSpace({ name, space }: SpaceSession): void {
  const update = new Uint8Array(Y.encodeStateAsUpdate(space.doc))
  download(new Blob([update], { type: 'application/octet-stream' }), `${name}.yjs`)
}

export async function downloadPage(
  editor: Editor,
  { name, space }: SpaceSession,
  format: 'md' | 'html' | 'json',
): Promise<void> {
  const transfer = await loadPartOrSay(loadTransfer)
  if (transfer === null) return
  download(transfer.exportPage(editor, format, space.title.toString() || name), `${name}.${format}`)
}

export async function downloadBoard(
  board: BoardApi,
  name: string,
  format: 'png' | 'svg' | 'excalidraw',
): Promise<void> {
  if (board.isEmpty()) return say('The whiteboard is empty: there is nothing to export.')
  try {
    const blob =
      format === 'png' ? await board.toPng() : format === 'svg' ? await board.toSvg() : board.toExcalidraw()
    download(blob, `${name}.${format}`)
  } catch {
    say(
      'The whiteboard could not be exported. A smaller drawing, another format, or a reload may work.',
      'problem',
    )
  }
}

export const IMPORTABLE = '.md,.markdown,.html,.htm,.json,.excalidraw,.yjs,.bin'

/** Adds what a file holds to the space: nothing that is there is replaced. */
export async function importFile(
  file: File,
  session: SpaceSession,
  editor: Editor | null,
  board: BoardApi | null,
): Promise<void> {
  const extension = file.name.split('.').pop()?.toLowerCase() ?? ''
  try {
    if (extension === 'yjs' || extension === 'bin') {
      Y.applyUpdate(session.space.doc, new Uint8Array(await file.arrayBuffer()), 'import')
    } else if (extension === 'excalidraw') {
      if (board === null) return say('Open the whiteboard first, then import the drawing.')
      await board.importExcalidraw(file)
    } else {
      if (editor === null) return say('Open the page first, then import the text.')
      const transfer = await loadPartOrSay(loadTransfer)
      if (transfer === null) return
      transfer.importPage(editor, await file.text(), extension)
    }
    say(`Added what ${file.name} holds.`)
  } catch {
    say(
      `${file.name} could not be read. It may be damaged, or of another kind than its name says.`,
      'problem',
    )
  }
}

function download(blob: Blob, fileName: string): void {
  const url = URL.createObjectURL(blob)
  const link = document.createElement('a')
  link.href = url
  link.download = fileName
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
