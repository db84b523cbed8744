import {
  CaptureUpdateAction,
  exportToBlob,
  exportToSvg,
  getCommonBounds,
  loadFromBlob,
  serializeAsJSON,
} from '@excalidraw/excalidraw'
import type { ExcalidrawImperativeAPI } from '@excalidraw/excalidraw/types'
import type { BoardView } from '../model/presence.ts'
import type { BoardBinding } from './binding.ts'
import { withNewIds } from './new-ids.ts'

const EXPORT_PADDING_PIXELS = 24
const IMPORT_GAP_PIXELS = 80

/** What the rest of the app does with a board that is on the screen. */
export interface BoardApi {
  toPng(): Promise<Blob>
  toSvg(): Promise<Blob>
  toExcalidraw(): Blob
  /** Adds the drawing in an `.excalidraw` file beside what is there. */
  importExcalidraw(file: Blob): Promise<void>
  /** Moves so that all of `view` is to be seen. */
  look(view: BoardView): void
  showAll(): void
  isEmpty(): boolean
}

export function boardApi(api: ExcalidrawImperativeAPI, binding: BoardBinding): BoardApi {
  const content = () => ({
    elements: api.getSceneElements(),
    files: api.getFiles(),
    exportPadding: EXPORT_PADDING_PIXELS,
  })
  const appState = { exportBackground: true, viewBackgroundColor: '#ffffff' }
  return {
    toPng: () =>
      exportToBlob({ ...content(), mimeType: 'image/png', appState: { ...appState, exportScale: 2 } }),
    async toSvg() {
      const svg = await exportToSvg({ ...content(), appState })
      return new Blob([new XMLSerializer().serializeToString(svg)], { type: 'image/svg+xml' })
    },
    toExcalidraw() {
      const json = serializeAsJSON(api.getSceneElements(), api.getAppState(), api.getFiles(), 'local')
      return new Blob([json], { type: 'application/vnd.excalidraw+json' })
    },
    async importExcalidraw(file) {
      const scene = await loadFromBlob(file, null, null)
      const present = api.getSceneElementsIncludingDeleted()
      const shown = api.getSceneElements()
      // New ids and a new place: the same file imported twice, or on two computers, is there twice and breaks neither.
      const added = withNewIds(
        scene.elements.filter((element) => !element.isDeleted),
        randomId,
      )
      if (added.length === 0) return
      const right = shown.length === 0 ? 0 : getCommonBounds(shown)[2] + IMPORT_GAP_PIXELS
      const top = shown.length === 0 ? 0 : getCommonBounds(shown)[1]
      const [left, addedTop] = getCommonBounds(added)
      const moved = added.map((element) => ({
        ...element,
        x: element.x - left + right,
        y: element.y - addedTop + top,
        index: null as unknown as typeof element.index,
      }))
      api.addFiles(Object.values(scene.files ?? {}))
      api.updateScene({ elements: [...present, ...moved], captureUpdate: CaptureUpdateAction.IMMEDIATELY })
      binding.sceneChanged(api.getSceneElementsIncludingDeleted())
      api.scrollToContent(moved, { fitToViewport: true, viewportZoomFactor: 0.8 })
    },
    look(view) {
      const { width, height } = api.getAppState()
      const zoom = Math.min(30, Math.max(0.1, Math.min(width / view.width, height / view.height)))
      api.updateScene({
        appState: {
          zoom: { value: zoom as ReturnType<typeof api.getAppState>['zoom']['value'] },
          scrollX: width / 2 / zoom - view.centerX,
          scrollY: height / 2 / zoom - view.centerY,
        },
        captureUpdate: CaptureUpdateAction.NEVER,
      })
    },
    showAll() {
      const elements = api.getSceneElements()
      if (elements.length > 0) api.scrollToContent(elements, { fitToContent: true })
    },
    isEmpty: () => api.getSceneElements().length === 0,
  }
}

function randomId(): string {
  return [...crypto.getRandomValues(new Uint8Array(15))].map((byte) => (byte % 36).toString(36)).join('')
}
