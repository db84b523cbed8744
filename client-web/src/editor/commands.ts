import type { Editor } from '@tiptap/core'
import type { IconName } from '../parts/Icon.tsx'

/** One thing the editor can do, shown in the toolbar and, with `slash`, in the menu that `/` opens. */
export interface EditorCommand {
  name: string
  icon: IconName
  /** What the keyboard does, for the tooltip. */
  keys?: string
  /** Words that find it in the slash menu. */
  slash?: string
  /** Too rare for the toolbar. */
  slashOnly?: boolean
  isActive?: (editor: Editor) => boolean
  run: (editor: Editor) => void
}

const focused = (editor: Editor) => editor.chain().focus()

export const BLOCKS: readonly EditorCommand[] = [
  {
    name: 'Text',
    icon: 'text',
    slash: 'paragraph plain',
    isActive: (editor) => editor.isActive('paragraph'),
    run: (editor) => focused(editor).setParagraph().run(),
  },
  ...([1, 2, 3] as const).map((level) => ({
    name: `Heading ${level}`,
    icon: 'heading' as const,
    slash: `h${level} title section`,
    isActive: (editor: Editor) => editor.isActive('heading', { level }),
    run: (editor: Editor) => focused(editor).setHeading({ level }).run(),
  })),
]

export const MARKS: readonly EditorCommand[] = [
  {
    name: 'Bold',
    icon: 'bold',
    keys: 'Ctrl+B',
    isActive: (e) => e.isActive('bold'),
    run: (e) => focused(e).toggleBold().run(),
  },
  {
    name: 'Italic',
    icon: 'italic',
    keys: 'Ctrl+I',
    isActive: (e) => e.isActive('italic'),
    run: (e) => focused(e).toggleItalic().run(),
  },
  {
    name: 'Underline',
    icon: 'underline',
    keys: 'Ctrl+U',
    isActive: (e) => e.isActive('underline'),
    run: (e) => focused(e).toggleUnderline().run(),
  },
  {
    name: 'Strikethrough',
    icon: 'strike',
    keys: 'Ctrl+Shift+S',
    isActive: (e) => e.isActive('strike'),
    run: (e) => focused(e).toggleStrike().run(),
  },
  {
    name: 'Code',
    icon: 'code',
    keys: 'Ctrl+E',
    isActive: (e) => e.isActive('code'),
    run: (e) => focused(e).toggleCode().run(),
  },
]

export const LISTS: readonly EditorCommand[] = [
  {
    name: 'Bulleted list',
    icon: 'bullets',
    slash: 'unordered ul',
    keys: 'Ctrl+Shift+8',
    isActive: (e) => e.isActive('bulletList'),
    run: (e) => focused(e).toggleBulletList().run(),
  },
  {
    name: 'Numbered list',
    icon: 'numbers',
    slash: 'ordered ol',
    keys: 'Ctrl+Shift+7',
    isActive: (e) => e.isActive('orderedList'),
    run: (e) => focused(e).toggleOrderedList().run(),
  },
  {
    name: 'Task list',
    icon: 'tasks',
    slash: 'todo checkbox',
    keys: 'Ctrl+Shift+9',
    isActive: (e) => e.isActive('taskList'),
    run: (e) => focused(e).toggleTaskList().run(),
  },
  {
    name: 'Quote',
    icon: 'quote',
    slash: 'blockquote',
    isActive: (e) => e.isActive('blockquote'),
    run: (e) => focused(e).toggleBlockquote().run(),
  },
  {
    name: 'Code block',
    icon: 'codeBlock',
    slash: 'pre program',
    isActive: (e) => e.isActive('codeBlock'),
    run: (e) => focused(e).toggleCodeBlock().run(),
  },
  {
    name: 'Table',
    icon: 'table',
    slash: 'grid rows columns',
    run: (e) => focused(e).insertTable({ rows: 3, cols: 3, withHeaderRow: true }).run(),
  },
  {
    name: 'Divider',
    slashOnly: true,
    icon: 'rule',
    slash: 'horizontal rule line',
    run: (e) => focused(e).setHorizontalRule().run(),
  },
]

/** Shown only while the caret is in a table. */
export const TABLE: readonly { name: string; run: (editor: Editor) => void }[] = [
  { name: 'Add row', run: (e) => focused(e).addRowAfter().run() },
  { name: 'Add column', run: (e) => focused(e).addColumnAfter().run() },
  { name: 'Delete row', run: (e) => focused(e).deleteRow().run() },
  { name: 'Delete column', run: (e) => focused(e).deleteColumn().run() },
  { name: 'Delete table', run: (e) => focused(e).deleteTable().run() },
]
