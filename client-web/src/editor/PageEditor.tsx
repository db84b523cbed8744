import type { Editor } from '@tiptap/core'
import { Collaboration } from '@tiptap/extension-collaboration'
import { Placeholder } from '@tiptap/extensions'
import { EditorContent, useEditor } from '@tiptap/react'
import { type ReactElement, useEffect } from 'react'
import type { Awareness } from 'y-protocols/awareness'
import type { Person } from '../model/presence.ts'
import type { Space } from '../model/space.ts'
import { ContextBar } from './ContextBar.tsx'
import { carets } from './carets.ts'
import { pageExtensions } from './extensions.ts'
import { InsertImages, type StoreImage } from './insert-images.ts'
import { OpenLinks } from './open-links.ts'
import { SlashMenu } from './SlashMenu.tsx'
import { Toolbar } from './Toolbar.tsx'
import { TypedLinks } from './typed-links.ts'
import './page.css'

interface PageEditorProps {
  space: Space
  awareness: Awareness
  /** For the caret at first: who changes their name tells it through awareness. */
  person: Person
  isEditable: boolean
  storeImage: StoreImage
  /** Given the editor while it lives: for import and export. */
  onEditor: (editor: Editor | null) => void
}

/** The rich-text page of a space. */
export default function PageEditor(props: PageEditorProps): ReactElement | null {
  const { space, awareness, person, isEditable, storeImage, onEditor } = props
  const editor = useEditor(
    {
      editable: isEditable,
      immediatelyRender: true,
      shouldRerenderOnTransaction: false,
      extensions: [
        ...pageExtensions(),
        Placeholder.configure({ placeholder: 'Write here. Type / for headings, lists, tables and more.' }),
        Collaboration.configure({ fragment: space.page }),
        carets(awareness, person),
        InsertImages.configure({ storeImage }),
        SlashMenu,
        OpenLinks,
        TypedLinks,
      ],
      editorProps: {
        attributes: {
          class: 'page-text',
          'aria-label': 'Page',
          role: 'textbox',
          'aria-multiline': 'true',
          spellcheck: 'true',
        },
        // The caret stays above what floats over the end of the page.
        scrollThreshold: { top: 0, right: 0, bottom: 76, left: 0 },
        scrollMargin: { top: 5, right: 5, bottom: 76, left: 5 },
      },
    },
    [space, awareness],
  )

  useEffect(() => {
    editor?.setEditable(isEditable)
  }, [editor, isEditable])

  useEffect(() => {
    onEditor(editor)
    return () => onEditor(null)
  }, [editor, onEditor])

  if (editor === null) return null
  return (
    <div className="page-editor">
      {isEditable ? (
        <Toolbar editor={editor} storeImage={storeImage} />
      ) : (
        <p className="toolbar toolbar-note">You can read this page, but not edit it.</p>
      )}
      <div className="page-scroll">
        <EditorContent editor={editor} />
      </div>
      {isEditable && <ContextBar editor={editor} />}
    </div>
  )
}
