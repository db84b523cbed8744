import type { Editor } from '@tiptap/core'
import { lazy, type ReactElement, Suspense, useCallback, useEffect, useMemo, useRef, useState } from 'react'
import {
  loadLibrary,
  loadPerson,
  loadView,
  rememberSpace,
  saveLibrary,
  savePerson,
  saveView,
  type View,
} from '../../local/settings.ts'
import type { Pane, Person } from '../../model/presence.ts'
import { Boundary } from '../../parts/Boundary.tsx'
import { loadPart, loadPartOrSay } from '../../parts/missing-part.ts'
import type { BoardApi } from '../../whiteboard/board-api.ts'
import { useTheme } from '../theme.ts'
import { Header } from './Header.tsx'
import { setPresence, useCanWrite, useIdle, useMediaQuery, usePeers, useText } from './hooks.ts'
import { Notices } from './Notices.tsx'
import { Split } from './Split.tsx'
import type { SpaceSession } from './session.ts'
import { storeBoardFile, storePageImage } from './store-images.ts'
import { useFollow } from './use-follow.ts'
import { useNotice } from './use-notice.ts'
import { useShortcuts } from './use-shortcuts.ts'

const loadEditor = () => loadPart(() => import('../../editor/PageEditor.tsx'))
const PageEditor = lazy(loadEditor)
// The page comes first: the whiteboard's chunk is asked for when the page's has arrived.
const Whiteboard = lazy(() =>
  loadEditor().then(() => loadPart(() => import('../../whiteboard/Whiteboard.tsx'))),
)

const loadDialogs = () => import('./dialogs.ts')

const PHONE = '(max-width: 719px)'
type Dialogs = Awaited<ReturnType<typeof loadDialogs>>
type DialogKind = 'profile' | 'shortcuts'

const library = { load: loadLibrary, save: saveLibrary }

/** A space on the screen: header, page and whiteboard. */
export function OpenSpace({ session }: { session: SpaceSession }): ReactElement {
  const { space, awareness, sync, name } = session
  const isPhone = useMediaQuery(PHONE)
  const theme = useTheme()
  const [wanted, setWanted] = useState<View>(loadView)
  const [person, setPerson] = useState<Person>(loadPerson)
  const [editor, setEditor] = useState<Editor | null>(null)
  const [board, setBoard] = useState<BoardApi | null>(null)
  const [dialog, setDialog] = useState<{ kind: DialogKind; parts: Dialogs } | null>(null)
  const canWrite = useCanWrite(sync)
  const title = useText(space.title)
  const peers = usePeers(awareness)
  const view = isPhone && wanted === 'both' ? 'page' : wanted
  const lastPane = useRef<Pane>('page')
  const { notice, putAway, bringBack } = useNotice(session)

  const show = useCallback((next: View) => {
    setWanted(next)
    saveView(next)
  }, [])
  const visit = useCallback(
    (pane: Pane) => {
      if (lastPane.current === pane) return
      lastPane.current = pane
      setPresence(awareness, 'pane', pane)
    },
    [awareness],
  )
  const beginEdit = useCallback(() => sync.beginEdit(), [sync])
  const follow = useFollow(awareness, peers, board, (pane) => {
    if (view !== 'both' && view !== pane) show(pane)
  })
  useIdle(awareness)
  const open = async (kind: DialogKind): Promise<void> => {
    const parts = await loadPartOrSay(loadDialogs)
    if (parts !== null) setDialog({ kind, parts })
  }
  useShortcuts({ show, openShortcuts: () => void open('shortcuts') })

  useEffect(() => {
    document.title = title === '' ? `${name} · Confluo` : `${title} · Confluo`
    rememberSpace({ name, title, openedAt: Date.now() })
  }, [name, title])

  useEffect(() => setPresence(awareness, 'user', person), [awareness, person])
  useEffect(() => visit(view === 'board' ? 'board' : 'page'), [view, visit])

  const presence = useMemo(
    () => ({
      onPointer: (pointer: Parameters<typeof setPresence<'pointer'>>[2]) =>
        setPresence(awareness, 'pointer', pointer),
      onSelection: (ids: string[]) => setPresence(awareness, 'selection', ids),
      onView: (boardView: Parameters<typeof setPresence<'boardView'>>[2]) =>
        setPresence(awareness, 'boardView', boardView),
    }),
    [awareness],
  )

  const page = (
    <section
      className="pane pane-page"
      aria-label="Page"
      onFocusCapture={() => visit('page')}
      onPointerDownCapture={() => visit('page')}
      onScrollCapture={(event) => follow.tellPageScroll(event.target)}
    >
      <Boundary>
        <Suspense fallback={<div className="pane-loading" />}>
          <PageEditor
            space={space}
            awareness={awareness}
            person={person}
            isEditable={canWrite}
            storeImage={storePageImage}
            onEditor={setEditor}
          />
        </Suspense>
      </Boundary>
    </section>
  )
  const whiteboard = (
    <section
      className="pane pane-board"
      aria-label="Whiteboard"
      onPointerDownCapture={() => visit('board')}
      onPointerLeave={() => setPresence(awareness, 'pointer', null)}
    >
      <Boundary>
        <Suspense fallback={<div className="pane-loading board" />}>
          <Whiteboard
            space={space}
            awareness={awareness}
            isEditable={canWrite}
            theme={theme.shown}
            library={library}
            storeFile={storeBoardFile}
            beginEdit={beginEdit}
            {...presence}
            onBoard={setBoard}
          />
        </Suspense>
      </Boundary>
    </section>
  )

  return (
    <div className={`space showing-${view}`}>
      <Header
        session={session}
        person={person}
        peers={peers}
        view={view}
        isPhone={isPhone}
        canWrite={canWrite}
        theme={theme}
        editor={editor}
        board={board}
        followed={follow.followed}
        onExplain={bringBack}
        onShow={show}
        onFollow={follow.toggle}
        onProfile={() => void open('profile')}
        onShortcuts={() => void open('shortcuts')}
      />
      <main className="space-main">
        <Split view={view} page={page} board={whiteboard} />
      </main>
      <Notices session={session} notice={notice} onPutAway={putAway} />
      {follow.person !== null && (
        <div className="follow-frame" style={{ borderColor: follow.person.color }}>
          <p role="status" style={{ background: follow.person.color }}>
            Following {follow.person.name}. Press anything to stop.
          </p>
        </div>
      )}
      {dialog?.kind === 'profile' && (
        <dialog.parts.ProfileDialog
          person={person}
          onClose={() => setDialog(null)}
          onChange={(next) => {
            savePerson(next)
            setPerson(next)
          }}
        />
      )}
      {dialog?.kind === 'shortcuts' && <dialog.parts.ShortcutsDialog onClose={() => setDialog(null)} />}
    </div>
  )
}
