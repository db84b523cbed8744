import type { Editor } from '@tiptap/core'
import { useEditorState } from '@tiptap/react'
import { type ReactElement, useRef } from 'react'
import { CODE_LANGUAGES } from './code-languages.ts'
import { TABLE } from './commands.ts'
import { useOneStop } from './one-stop.ts'

/** What only a table or a block of code has. It floats over the end of the page, so that nothing moves when it comes. */
export function ContextBar({ editor }: { editor: Editor }): ReactElement | null {
  const active = useEditorState({
    editor,
    selector: ({ editor: current }) => ({
      isTable: current.isActive('table'),
      isCode: current.isActive('codeBlock'),
      language: String(current.getAttributes('codeBlock').language ?? ''),
    }),
  })
  const bar = useRef<HTMLDivElement>(null)
  const oneStop = useOneStop(bar)
  if (!active.isTable && !active.isCode) return null
  const label = active.isCode ? 'Code' : 'Table'
  return (
    <div className="context-bar" role="toolbar" aria-label={label} ref={bar} {...oneStop}>
      {active.isCode ? (
        <LanguageChoice editor={editor} language={active.language} />
      ) : (
        TABLE.map((command) => (
          <button
            key={command.name}
            type="button"
            className="button small quiet"
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => command.run(editor)}
          >
            {command.name}
          </button>
        ))
      )}
    </div>
  )
}

function LanguageChoice({ editor, language }: { editor: Editor; language: string }): ReactElement {
  const isListed = language === '' || CODE_LANGUAGES.some(({ id }) => id === language)
  const choose = (chosen: string): void => {
    editor
      .chain()
      .focus()
      .updateAttributes('codeBlock', { language: chosen || null })
      .run()
  }
  return (
    <select
      aria-label="Language of the code"
      value={language}
      onChange={(event) => choose(event.target.value)}
    >
      <option value="">Guess the language</option>
      {!isListed && <option value={language}>{language}</option>}
      {CODE_LANGUAGES.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </select>
  )
}
