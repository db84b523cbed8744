import {
  type KeyboardEvent,
  type PointerEvent,
  type ReactElement,
  type ReactNode,
  useRef,
  useState,
} from 'react'
import { loadSplit, saveSplit, type View } from '../../local/settings.ts'

const SMALLEST = 0.2
const LARGEST = 0.8
const KEY_STEP = 0.02

interface SplitProps {
  view: View
  page: ReactNode
  board: ReactNode
}

/**
 * Page and whiteboard side by side, with a divider for pointer and keyboard. A pane that is not shown stays alive, so
 * that it keeps its place and its undo; one that was never shown is not loaded.
 */
export function Split({ view, page, board }: SplitProps): ReactElement {
  const [share, setShare] = useState(loadSplit)
  const [isDragging, setDragging] = useState(false)
  const root = useRef<HTMLDivElement>(null)
  const wasShown = useRef({ page: false, board: false })
  if (view !== 'board') wasShown.current.page = true
  if (view !== 'page') wasShown.current.board = true

  const move = (next: number): void => {
    const bounded = Math.min(LARGEST, Math.max(SMALLEST, next))
    setShare(bounded)
    saveSplit(bounded)
  }
  const onPointerMove = (event: PointerEvent): void => {
    const box = root.current?.getBoundingClientRect()
    if (isDragging && box !== undefined) move((event.clientX - box.left) / box.width)
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'ArrowLeft') move(share - KEY_STEP)
    else if (event.key === 'ArrowRight') move(share + KEY_STEP)
    else if (event.key === 'Home') move(SMALLEST)
    else if (event.key === 'End') move(LARGEST)
    else return
    event.preventDefault()
  }

  const columns = view === 'both' ? `minmax(0, ${share}fr) 9px minmax(0, ${1 - share}fr)` : 'minmax(0, 1fr)'
  return (
    <div
      ref={root}
      className={`split ${isDragging ? 'dragging' : ''}`}
      style={{ gridTemplateColumns: columns }}
    >
      <div className="split-side" hidden={view === 'board'}>
        {wasShown.current.page && page}
      </div>
      {view === 'both' && (
        // biome-ignore lint/a11y/useSemanticElements: a rule cannot be moved; this is the window splitter of ARIA
        <div
          className="divider"
          role="separator"
          aria-label="Width of the page"
          aria-orientation="vertical"
          aria-valuenow={Math.round(share * 100)}
          aria-valuemin={SMALLEST * 100}
          aria-valuemax={LARGEST * 100}
          tabIndex={0}
          onPointerDown={(event) => {
            event.currentTarget.setPointerCapture(event.pointerId)
            setDragging(true)
          }}
          onPointerMove={onPointerMove}
          onPointerUp={() => setDragging(false)}
          onPointerCancel={() => setDragging(false)}
          onDoubleClick={() => move(0.5)}
          onKeyDown={onKeyDown}
        />
      )}
      <div className="split-side" hidden={view === 'page'}>
        {wasShown.current.board && board}
      </div>
    </div>
  )
}
