import type { Editor, Range } from '@tiptap/core'
import { Extension } from '@tiptap/core'
import { ReactRenderer } from '@tiptap/react'
import { Suggestion, type SuggestionKeyDownProps, type SuggestionProps } from '@tiptap/suggestion'
import { type ReactElement, type Ref, useEffect, useId, useImperativeHandle, useState } from 'react'
import { Icon } from '../parts/Icon.tsx'
import { BLOCKS, type EditorCommand, LISTS } from './commands.ts'

const COMMANDS = [...BLOCKS, ...LISTS].filter((command) => command.slash !== undefined)

interface ListHandle {
  onKeyDown(event: KeyboardEvent): boolean
}

interface ListProps {
  items: EditorCommand[]
  command: (command: EditorCommand) => void
  place: { left: number; top: number; above: boolean }
  /** Where the caret is: a screen reader follows it to the entry that is selected. */
  text: HTMLElement
  ref?: Ref<ListHandle>
}

/** The list that `/` opens. The caret stays in the text; arrows and Enter are taken from there. */
function CommandList({ items, command, place, text, ref }: ListProps): ReactElement | null {
  const [selected, setSelected] = useState(0)
  const at = Math.min(selected, items.length - 1)
  const listId = useId()
  useEffect(() => {
    if (at < 0) return
    text.setAttribute('aria-controls', listId)
    text.setAttribute('aria-activedescendant', `${listId}-${at}`)
    return () => {
      text.removeAttribute('aria-controls')
      text.removeAttribute('aria-activedescendant')
    }
  }, [text, listId, at])
  useImperativeHandle(ref, () => ({
    onKeyDown(event) {
      const chosen = items[at]
      if (event.key === 'ArrowDown') setSelected((at + 1) % items.length)
      else if (event.key === 'ArrowUp') setSelected((at - 1 + items.length) % items.length)
      else if ((event.key === 'Enter' || event.key === 'Tab') && chosen !== undefined) command(chosen)
      else return false
      return true
    },
  }))
  if (items.length === 0) return null
  return (
    <div
      className="slash-menu"
      id={listId}
      role="listbox"
      aria-label="Insert"
      style={{ left: place.left, [place.above ? 'bottom' : 'top']: place.top }}
    >
      {items.map((item, index) => (
        <button
          key={item.name}
          type="button"
          role="option"
          id={`${listId}-${index}`}
          tabIndex={-1}
          aria-selected={index === at}
          onPointerDown={(event) => {
            event.preventDefault()
            command(item)
          }}
          onPointerEnter={() => setSelected(index)}
        >
          <Icon name={item.icon} size={16} />
          <span>{item.name}</span>
        </button>
      ))}
    </div>
  )
}

export const SlashMenu = Extension.create({
  name: 'slashMenu',
  addProseMirrorPlugins() {
    return [
      Suggestion<EditorCommand, EditorCommand>({
        editor: this.editor,
        char: '/',
        startOfLine: false,
        allow: ({ editor }) => editor.isEditable && !editor.isActive('codeBlock') && !editor.isActive('code'),
        items: ({ query }) => matching(query),
        command: ({ editor, range, props }) => runCommand(editor, range, props),
        render: renderList,
      }),
    ]
  },
})

function matching(query: string): EditorCommand[] {
  const wanted = query.toLowerCase()
  return COMMANDS.filter((command) =>
    `${command.name} ${command.slash}`.toLowerCase().includes(wanted),
  ).slice(0, 9)
}

function runCommand(editor: Editor, range: Range, command: EditorCommand): void {
  editor.chain().focus().deleteRange(range).run()
  command.run(editor)
}

function renderList() {
  let list: ReactRenderer<ListHandle, ListProps> | null = null
  const propsFor = (props: SuggestionProps<EditorCommand, EditorCommand>): ListProps => ({
    items: props.items,
    command: props.command,
    place: placeFor(props.clientRect?.() ?? null),
    text: props.editor.view.dom,
  })
  const close = (): void => {
    list?.element.remove()
    list?.destroy()
    list = null
  }
  return {
    onStart(props: SuggestionProps<EditorCommand, EditorCommand>) {
      list = new ReactRenderer<ListHandle, ListProps>(CommandList, {
        editor: props.editor,
        props: { ...propsFor(props) },
      })
      document.body.append(list.element)
    },
    onUpdate(props: SuggestionProps<EditorCommand, EditorCommand>) {
      list?.updateProps({ ...propsFor(props) })
    },
    onKeyDown({ event }: SuggestionKeyDownProps) {
      if (event.key === 'Escape') {
        close()
        return true
      }
      return list?.ref?.onKeyDown(event) ?? false
    },
    onExit: close,
  }
}

/** Under the caret, or above it where the window ends. */
function placeFor(rect: DOMRect | null): ListProps['place'] {
  if (rect === null) return { left: 0, top: 0, above: false }
  const left = Math.max(8, Math.min(rect.left, window.innerWidth - 240))
  const above = rect.bottom + 330 > window.innerHeight && rect.top > 340
  return { left, top: above ? window.innerHeight - rect.top + 6 : rect.bottom + 6, above }
}
