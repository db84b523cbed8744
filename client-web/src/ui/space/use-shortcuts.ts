import { useEffect, useRef } from 'react'
import type { View } from '../../local/settings.ts'

interface ShortcutTargets {
  show: (view: View) => void
  openShortcuts: () => void
}

interface ShortcutGroup {
  title: string
  keys: readonly { keys: string; does: string }[]
}

/** Written down here once; the dialog shows this list. */
export const SHORTCUTS: readonly ShortcutGroup[] = [
  {
    title: 'Everywhere',
    keys: [
      { keys: 'Alt 1', does: 'Page only' },
      { keys: 'Alt 2', does: 'Page and whiteboard' },
      { keys: 'Alt 3', does: 'Whiteboard only' },
      { keys: 'Alt T', does: 'Edit the title' },
      { keys: 'Alt /', does: 'These shortcuts' },
      { keys: 'Ctrl Z, Ctrl Shift Z', does: 'Undo and redo your own edits' },
    ],
  },
  {
    title: 'On the page',
    keys: [
      { keys: '/', does: 'Insert a heading, list, table …' },
      { keys: '# ## ###, -, 1., [ ], >, ```', does: 'Markdown, at the start of a line' },
      { keys: '**bold**, `code`, [text](link)', does: 'Markdown, in a line' },
      { keys: 'Ctrl B, Ctrl I, Ctrl U', does: 'Bold, italic, underline' },
      { keys: 'Ctrl K', does: 'Link' },
      { keys: 'Ctrl and a press', does: 'Open a link' },
    ],
  },
  {
    title: 'On the whiteboard',
    keys: [
      { keys: 'V R O A T P', does: 'Select, rectangle, ellipse, arrow, text, pen' },
      { keys: '?', does: 'All its other keys' },
    ],
  },
]

/** Alt with a key, which neither the editor, the whiteboard nor the browser uses; by position, so on every layout. */
export function useShortcuts(targets: ShortcutTargets): void {
  const latest = useRef(targets)
  latest.current = targets
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (!event.altKey || event.ctrlKey || event.metaKey) return
      const { show, openShortcuts } = latest.current
      if (event.code === 'Digit1') show('page')
      else if (event.code === 'Digit2') show('both')
      else if (event.code === 'Digit3') show('board')
      else if (event.code === 'KeyT') document.querySelector<HTMLInputElement>('.space-title')?.focus()
      else if (event.code === 'Slash') openShortcuts()
      else return
      event.preventDefault()
      event.stopPropagation()
    }
    window.addEventListener('keydown', onKeyDown, true)
    return () => window.removeEventListener('keydown', onKeyDown, true)
  }, [])
}
