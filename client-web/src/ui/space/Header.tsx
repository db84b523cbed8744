import type { Editor } from '@tiptap/core'
import { type ReactElement, useRef } from 'react'
import type { Theme, View } from '../../local/settings.ts'
import type { Peer, Person } from '../../model/presence.ts'
import { MAX_TITLE_CHARACTERS, writeTitle } from '../../model/title.ts'
import { Icon, type IconName } from '../../parts/Icon.tsx'
import { keyNames } from '../../parts/key-names.ts'
import { Mark } from '../../parts/Logo.tsx'
import { Menu, type MenuSection } from '../../parts/Menu.tsx'
import type { BoardApi } from '../../whiteboard/board-api.ts'
import { followLink } from '../navigation.ts'
import { Avatars } from './Avatars.tsx'
import { useKeepsCopy, useText } from './hooks.ts'
import { StatusLine } from './StatusLine.tsx'
import type { SpaceSession } from './session.ts'
import { shareLink, shareLinkWithKey } from './share.ts'
import { tokenOf } from './token-from-link.ts'
import { downloadBoard, downloadPage, downloadSpace, IMPORTABLE, importFile } from './transfer.ts'

interface HeaderProps {
  session: SpaceSession
  person: Person
  peers: readonly Peer[]
  view: View
  isPhone: boolean
  canWrite: boolean
  theme: { theme: Theme; choose: (theme: Theme) => void }
  editor: Editor | null
  board: BoardApi | null
  followed: number | null
  /** Says again why the server ended it, after that was put away. */
  onExplain: (() => void) | null
  onShow: (view: View) => void
  onFollow: (clientId: number) => void
  onProfile: () => void
  onShortcuts: () => void
}

const VIEWS: readonly { view: View; label: string; icon: IconName; keys: string }[] = [
  { view: 'page', label: 'Page', icon: 'page', keys: 'Alt+1' },
  { view: 'both', label: 'Both', icon: 'both', keys: 'Alt+2' },
  { view: 'board', label: 'Board', icon: 'board', keys: 'Alt+3' },
]

export function Header(props: HeaderProps): ReactElement {
  const { session, person, peers, isPhone, canWrite, followed, onFollow, onProfile } = props
  const filePicker = useRef<HTMLInputElement>(null)
  const keepsCopy = useKeepsCopy(session.localCopy)
  return (
    <header className="space-header">
      <a className="home-link" href="/" aria-label="Confluo, all spaces" onClick={followLink}>
        <Mark />
      </a>
      <Title session={session} canWrite={canWrite} />
      <StatusLine sync={session.sync} keepsCopy={keepsCopy} onExplain={props.onExplain} />
      {/* Before what must keep its place: people come and go, and the row of them grows to the left. */}
      <Avatars
        mostShown={isPhone ? 2 : 5}
        person={person}
        peers={peers}
        followed={followed}
        onFollow={onFollow}
        onProfile={onProfile}
      />
      <ViewSwitch view={props.view} isPhone={isPhone} onShow={props.onShow} />
      <div className="header-end">
        <button
          type="button"
          className="button primary share"
          onClick={() => void shareLink(session.name)}
          aria-label="Share: copy the link"
        >
          <Icon name="share" size={16} />
          <span>Share</span>
        </button>
        <Menu
          label="More"
          button={<Icon name="more" />}
          sections={menuSections(props, () => filePicker.current?.click())}
        />
      </div>
      <input
        ref={filePicker}
        type="file"
        hidden
        accept={IMPORTABLE}
        onChange={(event) => {
          const file = event.target.files?.[0]
          if (file !== undefined) void importFile(file, session, props.editor, props.board)
          event.target.value = ''
        }}
      />
    </header>
  )
}

function Title({ session, canWrite }: { session: SpaceSession; canWrite: boolean }): ReactElement {
  const { space, name } = session
  const title = useText(space.title)
  return (
    <input
      className="space-title"
      aria-label="Title of the space"
      placeholder={name}
      value={title}
      readOnly={!canWrite}
      maxLength={MAX_TITLE_CHARACTERS}
      spellCheck={false}
      onChange={(event) => writeTitle(space.title, event.target.value, 'title')}
      onKeyDown={(event) => {
        if (event.key === 'Enter' || event.key === 'Escape') event.currentTarget.blur()
      }}
    />
  )
}

function ViewSwitch({
  view,
  isPhone,
  onShow,
}: {
  view: View
  isPhone: boolean
  onShow: (view: View) => void
}): ReactElement {
  return (
    <nav className="view-switch" aria-label="What is shown">
      {VIEWS.filter((choice) => !isPhone || choice.view !== 'both').map((choice) => (
        <button
          key={choice.view}
          type="button"
          aria-pressed={view === choice.view}
          aria-label={choice.label}
          title={isPhone ? choice.label : `${choice.label} (${keyNames(choice.keys)})`}
          onClick={() => onShow(choice.view)}
        >
          <Icon name={choice.icon} />
          <span>{choice.label}</span>
        </button>
      ))}
    </nav>
  )
}

function menuSections(props: HeaderProps, pickFile: () => void): MenuSection[] {
  const { session, editor, board, theme } = props
  const { name } = session
  const token = tokenOf(name)
  const page = (label: string, format: 'md' | 'html' | 'json') => ({
    label,
    icon: 'download' as const,
    disabled: editor === null,
    run: () => void (editor && downloadPage(editor, session, format)),
  })
  const drawing = (label: string, format: 'png' | 'svg' | 'excalidraw') => ({
    label,
    icon: 'download' as const,
    disabled: board === null,
    run: () => void (board && downloadBoard(board, name, format)),
  })
  const themeChoice = (label: string, choice: Theme) => ({
    label,
    checked: theme.theme === choice,
    run: () => theme.choose(choice),
  })
  return [
    {
      items: [
        { label: 'Name and colour', icon: 'person', run: props.onProfile },
        { label: 'Import a file', icon: 'upload', disabled: !props.canWrite, run: pickFile },
        {
          label: props.view === 'board' ? 'Print the whiteboard' : 'Print the page',
          icon: 'print',
          disabled: (props.view === 'board' ? board : editor) === null,
          run: () => window.print(),
        },
        ...(token === null
          ? []
          : [
              {
                label: 'Copy link with my key',
                icon: 'share' as const,
                run: () => void shareLinkWithKey(name, token),
              },
            ]),
        { label: 'Keyboard', icon: 'keyboard', hint: keyNames('Alt /'), run: props.onShortcuts },
      ],
    },
    { title: 'Page', items: [page('Markdown', 'md'), page('HTML', 'html'), page('JSON', 'json')] },
    {
      title: 'Whiteboard',
      items: [drawing('PNG image', 'png'), drawing('SVG image', 'svg'), drawing('Excalidraw', 'excalidraw')],
    },
    {
      title: 'Whole space',
      items: [{ label: 'Yjs update', icon: 'download', run: () => downloadSpace(session) }],
    },
    {
      title: 'Appearance',
      items: [
        themeChoice('As the system', 'system'),
        themeChoice('Light', 'light'),
        themeChoice('Dark', 'dark'),
      ],
    },
  ]
}
