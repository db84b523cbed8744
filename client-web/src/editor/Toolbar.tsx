import type { Editor } from '@tiptap/core'
import { useEditorState } from '@tiptap/react'
import { type ReactElement, useEffect, useRef, useState } from 'react'
import { Icon } from '../parts/Icon.tsx'
import { keyNames } from '../parts/key-names.ts'
import { BLOCKS, type EditorCommand, LISTS, MARKS } from './commands.ts'
import { insertImages, type StoreImage } from './insert-images.ts'
import { linkAddress } from './link-address.ts'
import { useOneStop } from './one-stop.ts'
import { openLink } from './open-links.ts'

interface ToolbarProps {
  editor: Editor
  storeImage: StoreImage
}

export function Toolbar({ editor, storeImage }: ToolbarProps): ReactElement {
  const [isLinking, setLinking] = useState(false)
  const filePicker = useRef<HTMLInputElement>(null)
  const toolbar = useRef<HTMLDivElement>(null)
  const oneStop = useOneStop(toolbar)
  const active = useEditorState({
    editor,
    selector: ({ editor: current }) => ({
      block: BLOCKS.findIndex((command) => command.isActive?.(current)),
      pressed: [...MARKS, ...LISTS]
        .filter((command) => command.isActive?.(current))
        .map((command) => command.name),
      isCode: current.isActive('codeBlock'),
      isLink: current.isActive('link'),
      canUndo: current.can().undo(),
      canRedo: current.can().redo(),
    }),
  })

  useEffect(() => {
    // On the document: the editor's own element may not be mounted yet.
    const onKeyDown = (event: globalThis.KeyboardEvent): void => {
      const isInText = event.target instanceof Element && event.target.closest('.page-text') !== null
      if (
        !isInText ||
        event.key.toLowerCase() !== 'k' ||
        !(event.ctrlKey || event.metaKey) ||
        event.shiftKey ||
        event.altKey
      )
        return
      event.preventDefault()
      setLinking(true)
    }
    document.addEventListener('keydown', onKeyDown)
    return () => document.removeEventListener('keydown', onKeyDown)
  }, [])

  const button = (command: EditorCommand): ReactElement => (
    <ToolButton
      key={command.name}
      icon={command.icon}
      label={command.name}
      keys={command.keys}
      isPressed={command.isActive ? active.pressed.includes(command.name) : undefined}
      onPress={() => command.run(editor)}
    />
  )

  return (
    <div className="page-tools">
      <div className="toolbar" role="toolbar" aria-label="Formatting" ref={toolbar} {...oneStop}>
        <ToolButton
          icon="undo"
          label="Undo my last edit"
          keys="Ctrl+Z"
          isDisabled={!active.canUndo}
          onPress={() => editor.chain().focus().undo().run()}
        />
        <ToolButton
          icon="redo"
          label="Redo"
          keys="Ctrl+Shift+Z"
          isDisabled={!active.canRedo}
          onPress={() => editor.chain().focus().redo().run()}
        />
        <span className="toolbar-gap" />
        <select
          aria-label="Paragraph style"
          value={active.block}
          onChange={(event) => BLOCKS[Number(event.target.value)]?.run(editor)}
        >
          {active.block === -1 && <option value={-1}>{active.isCode ? 'Code' : '–'}</option>}
          {BLOCKS.map((block, index) => (
            <option key={block.name} value={index}>
              {block.name}
            </option>
          ))}
        </select>
        {MARKS.map(button)}
        <ToolButton
          icon="link"
          label="Link"
          keys="Ctrl+K"
          isPressed={active.isLink}
          onPress={() => setLinking(!isLinking)}
        />
        <span className="toolbar-gap" />
        {LISTS.filter((command) => !command.slashOnly).map(button)}
        <ToolButton icon="image" label="Image" onPress={() => filePicker.current?.click()} />
        <input
          ref={filePicker}
          type="file"
          accept="image/*"
          hidden
          multiple
          onChange={(event) => {
            void insertImages(editor, [...(event.target.files ?? [])], storeImage, null)
            event.target.value = ''
          }}
        />
      </div>
      {isLinking && <LinkForm editor={editor} onDone={() => setLinking(false)} />}
    </div>
  )
}

interface ToolButtonProps {
  icon: EditorCommand['icon']
  label: string
  keys?: string | undefined
  isPressed?: boolean | undefined
  isDisabled?: boolean
  onPress: () => void
}

function ToolButton({ icon, label, keys, isPressed, isDisabled, onPress }: ToolButtonProps): ReactElement {
  return (
    <button
      type="button"
      className="tool"
      aria-label={label}
      aria-pressed={isPressed}
      title={keys === undefined ? label : `${label} (${keyNames(keys)})`}
      disabled={isDisabled}
      // The selection in the text must survive the press.
      onMouseDown={(event) => event.preventDefault()}
      onClick={onPress}
    >
      <Icon name={icon} />
    </button>
  )
}

function LinkForm({ editor, onDone }: { editor: Editor; onDone: () => void }): ReactElement {
  const current: unknown = editor.getAttributes('link').href
  const link = linkAtCaret(editor)
  const [address, setAddress] = useState(typeof current === 'string' ? current : '')
  const apply = (): void => {
    const chain = editor.chain().focus().extendMarkRange('link')
    const href = linkAddress(address)
    if (href === '') chain.unsetLink().run()
    else if (editor.state.selection.empty && !editor.isActive('link')) {
      chain.insertContent([{ type: 'text', text: href, marks: [{ type: 'link', attrs: { href } }] }]).run()
    } else chain.setLink({ href }).run()
    onDone()
  }
  return (
    <form
      className="link-form"
      onSubmit={(event) => {
        event.preventDefault()
        apply()
      }}
      onKeyDown={(event) => {
        event.stopPropagation()
        if (event.key === 'Escape') {
          editor.commands.focus()
          onDone()
        }
      }}
    >
      <input
        // biome-ignore lint/a11y/noAutofocus: the form opens because its field was asked for
        autoFocus
        aria-label="Address of the link"
        placeholder="https://"
        value={address}
        onChange={(event) => setAddress(event.target.value)}
      />
      <button
        type="submit"
        className="button small primary"
        disabled={address.trim() === '' && link === null}
      >
        {address.trim() === '' && link !== null ? 'Remove' : 'Set link'}
      </button>
      {link !== null && (
        <button
          type="button"
          className="button small"
          onClick={() => openLink(link)}
          title={keyNames('Ctrl and a press on it')}
        >
          Open
        </button>
      )}
    </form>
  )
}

/** The address as the page holds it, which is empty where the editor does not trust it. */
function linkAtCaret(editor: Editor): string | null {
  const { node } = editor.view.domAtPos(editor.state.selection.from)
  const element = node instanceof Element ? node : node.parentElement
  return element?.closest('a')?.href || null
}
