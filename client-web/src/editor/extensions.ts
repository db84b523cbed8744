import type { Extensions } from '@tiptap/core'
import { TaskList } from '@tiptap/extension-list'
import { TableKit } from '@tiptap/extension-table'
import { StarterKit } from '@tiptap/starter-kit'
import { CodeBlock } from './code-block.ts'
import { PageImage } from './page-image.ts'
import { TaskItem } from './task-item.ts'

/**
 * What a page may contain. Undo is not among it: with several people it must take back one's own edits only, which
 * the collaboration extension does.
 */
export function pageExtensions(): Extensions {
  return [
    StarterKit.configure({
      undoRedo: false,
      codeBlock: false,
      link: {
        openOnClick: false,
        defaultProtocol: 'https',
        HTMLAttributes: { rel: 'noopener noreferrer', target: '_blank' },
      },
      dropcursor: { color: 'var(--water)', width: 2 },
      heading: { levels: [1, 2, 3] },
    }),
    CodeBlock,
    TaskList,
    TaskItem,
    TableKit.configure({ table: { resizable: true, cellMinWidth: 60 } }),
    PageImage,
  ]
}
