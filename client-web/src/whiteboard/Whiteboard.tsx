import { CaptureUpdateAction, Excalidraw, MainMenu } from '@excalidraw/excalidraw'
import type {
  AppState,
  BinaryFileData,
  ExcalidrawImperativeAPI,
  LibraryItems,
} from '@excalidraw/excalidraw/types'
import { type ReactElement, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import type { Awareness } from 'y-protocols/awareness'
import { describeImageProblem } from '../model/image-limits.ts'
import type { BoardPointer, BoardView } from '../model/presence.ts'
import type { Space, StoredFile } from '../model/space.ts'
import { paced } from '../parts/paced.ts'
import { say } from '../parts/toasts.tsx'
import '@excalidraw/excalidraw/index.css'
import { BoardBinding, type Scene } from './binding.ts'
import { type BoardApi, boardApi } from './board-api.ts'
import type { BoardElement } from './facets.ts'
import { nameControls } from './labels.ts'
import { loadShapes } from './library.ts'
import { showPeers } from './peers.ts'
import { browserSchedule } from './schedule.ts'
import './whiteboard.css'

/** A pointer moves this often for others; Excalidraw smooths what is between. */
const POINTER_INTERVAL_MS = 50

interface WhiteboardProps {
  space: Space
  awareness: Awareness
  isEditable: boolean
  theme: 'light' | 'dark'
  library: { load: () => unknown[] | null; save: (items: readonly unknown[]) => void }
  /** Makes an image small enough for the document; null when it was refused (and the person told why). */
  storeFile: (file: StoredFile) => Promise<StoredFile | null>
  /** Told of what is drawn and not yet in the document; gives what ends that. */
  beginEdit: () => () => void
  onPointer: (pointer: BoardPointer) => void
  onSelection: (ids: string[]) => void
  onView: (view: BoardView) => void
  /** Given the board while it lives: for import, export and following. */
  onBoard: (board: BoardApi | null) => void
}

type ExcalidrawElements = Parameters<ExcalidrawImperativeAPI['updateScene']>[0]['elements']

/** The whiteboard of a space: Excalidraw, bound to its document. */
export default function Whiteboard(props: WhiteboardProps): ReactElement {
  const { space, awareness, isEditable, theme } = props
  const [api, setApi] = useState<ExcalidrawImperativeAPI | null>(null)
  // Excalidraw gives its API away before it has set up its own scene, which would wipe out what we show.
  const [isReady, setReady] = useState(false)
  const binding = useRef<BoardBinding | null>(null)
  const latest = useRef(props)
  latest.current = props
  const seen = useRef({ selection: '', view: '', files: new Set<string>() })
  const lastButton = useRef<BoardPointer['button']>('up')
  const pointers = useMemo(
    () => paced(POINTER_INTERVAL_MS, (pointer: BoardPointer) => latest.current.onPointer(pointer)),
    [],
  )
  const root = useRef<HTMLDivElement>(null)

  useEffect(() => {
    if (api === null || !isReady) return
    const current = new BoardBinding(space, sceneOf(api), browserSchedule, latest.current.beginEdit)
    current.readOnly = !latest.current.isEditable
    binding.current = current
    const board = boardApi(api, current)
    latest.current.onBoard(board)
    const stopFraming = frameContent(space, current, board)
    const stopPeers = showPeers(awareness, (collaborators) => api.updateScene({ collaborators }))
    const write = (): void => current.writeNow()
    const onUnload = (event: Event): void => {
      write()
      // An image is not yet what the document keeps, and this tab is all that has it.
      if (current.isWaiting) event.preventDefault()
    }
    // Before whoever asks what is unsaved.
    window.addEventListener('beforeunload', onUnload, { capture: true })
    window.addEventListener('pagehide', write)
    return () => {
      window.removeEventListener('beforeunload', onUnload, { capture: true })
      window.removeEventListener('pagehide', write)
      stopPeers()
      stopFraming()
      current.destroy()
      binding.current = null
      latest.current.onBoard(null)
    }
  }, [api, isReady, space, awareness])

  // Before the space closes its document, which it does in an effect that ends earlier than the one above.
  useLayoutEffect(() => () => binding.current?.writeNow(), [])

  useEffect(() => () => pointers.stop(), [pointers])

  useEffect(() => {
    if (binding.current !== null) binding.current.readOnly = !isEditable
  }, [isEditable])

  const onChange = useCallback(
    (elements: readonly object[], state: AppState, files: Record<string, BinaryFileData>): void => {
      // It reports changes only when it has finished loading.
      setReady(true)
      if (binding.current === null) return
      binding.current.sceneChanged(elements as readonly BoardElement[])
      const { current } = seen
      for (const id in files) {
        const file = files[id]
        if (file === undefined || current.files.has(id)) continue
        current.files.add(id)
        if (!space.files.has(id)) void binding.current.keepFile(id, stored(file, latest.current.storeFile))
      }
      const selection = Object.keys(state.selectedElementIds)
      const selectionKey = selection.join(' ')
      if (selectionKey !== current.selection) {
        current.selection = selectionKey
        latest.current.onSelection(selection)
      }
      const viewKey = `${state.scrollX} ${state.scrollY} ${state.zoom.value} ${state.width} ${state.height}`
      if (viewKey !== current.view) {
        current.view = viewKey
        latest.current.onView(viewOf(state))
        // After React has painted the new zoom.
        requestAnimationFrame(() => root.current && nameControls(root.current))
      }
    },
    [space],
  )

  return (
    <div className="whiteboard" ref={root} onPointerLeave={() => pointers.stop()}>
      <Excalidraw
        excalidrawAPI={setApi}
        initialData={() => initialData(latest.current.library.load())}
        onChange={onChange}
        onPointerUpdate={({ pointer, button }) => {
          const { x, y, tool } = pointer
          pointers.tell({ x, y, tool, button }, button !== lastButton.current)
          lastButton.current = button
        }}
        onLibraryChange={(items) => latest.current.library.save(items)}
        theme={theme}
        viewModeEnabled={!isEditable}
        isCollaborating
        aiEnabled={false}
        validateEmbeddable={false}
        handleKeyboardGlobally={false}
        detectScroll
        UIOptions={{
          canvasActions: {
            loadScene: false,
            export: false,
            saveToActiveFile: false,
            toggleTheme: false,
            saveAsImage: false,
          },
        }}
      >
        <MainMenu>
          <MainMenu.DefaultItems.SearchMenu />
          <MainMenu.DefaultItems.Help />
          <MainMenu.DefaultItems.ClearCanvas />
        </MainMenu>
      </Excalidraw>
    </div>
  )
}

/** The file as the document keeps it; null when it was refused, which the person has been told. */
async function stored(
  { mimeType, dataURL, created }: BinaryFileData,
  storeFile: WhiteboardProps['storeFile'],
): Promise<StoredFile | null> {
  try {
    return await storeFile({ mimeType, dataURL, created })
  } catch {
    say(describeImageProblem({ kind: 'unreadable' }), 'problem')
    return null
  }
}

/** Shows the whole drawing once: at once when it is here, or when it first arrives from others. */
function frameContent(space: Space, binding: BoardBinding, board: BoardApi): () => void {
  if (space.board.size > 0) {
    board.showAll()
    return () => {}
  }
  const onFirst = (_event: unknown, transaction: { local: boolean }): void => {
    space.board.unobserve(onFirst)
    if (transaction.local) return
    requestAnimationFrame(() => {
      binding.showNow()
      board.showAll()
    })
  }
  space.board.observe(onFirst)
  return () => space.board.unobserve(onFirst)
}

function initialData(library: unknown[] | null) {
  const libraryItems = (library ?? loadShapes()) as LibraryItems
  return {
    elements: [],
    appState: { viewBackgroundColor: 'transparent', currentItemFontFamily: 5 },
    libraryItems,
  }
}

function sceneOf(api: ExcalidrawImperativeAPI): Scene {
  return {
    elements: () => api.getSceneElementsIncludingDeleted() as readonly BoardElement[],
    replace: (elements) =>
      api.updateScene({
        elements: elements as unknown as NonNullable<ExcalidrawElements>,
        captureUpdate: CaptureUpdateAction.NEVER,
      }),
    isHeld: (id) => heldIds(api.getAppState()).includes(id),
    addFiles: (files) => api.addFiles(files as unknown as BinaryFileData[]),
    hasFile: (id) => api.getFiles()[id] !== undefined,
  }
}

/** The elements that a gesture of Excalidraw refers to by reference, or whose text is being typed. */
function heldIds(state: AppState): (string | undefined)[] {
  return [
    state.newElement?.id,
    state.resizingElement?.id,
    state.multiElement?.id,
    state.editingTextElement?.id,
    state.editingLinearElement?.elementId,
  ]
}

function viewOf(state: AppState): BoardView {
  const zoom = state.zoom.value
  return {
    centerX: state.width / 2 / zoom - state.scrollX,
    centerY: state.height / 2 / zoom - state.scrollY,
    width: state.width / zoom,
    height: state.height / zoom,
  }
}
