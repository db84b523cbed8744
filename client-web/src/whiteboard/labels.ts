/**
 * Names what Excalidraw leaves without a name that a screen reader could say, or with one that lacks the visible text.
 * It sets neither attribute again while the button lives.
 */
export function nameControls(board: ParentNode): void {
  board.querySelector('.main-menu-trigger')?.setAttribute('aria-label', 'Whiteboard menu')
  const zoom = board.querySelector('.reset-zoom-button')
  zoom?.setAttribute('aria-label', `${zoom.textContent?.trim() ?? ''}, reset zoom`)
}
