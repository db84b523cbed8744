import { useEffect, useRef } from 'react'
import type { View } from '../../local/settings.ts'

interface ShortcutTargets {
  show: (view: View) => void
  openShortcuts: () => void
}

/** Alt with a key, which neither the editor, the whiteboard nor the browser uses; by position, so on every layout. */
export function useShortcuts(targets: ShortcutTargets): void {
  const latest = useRef(targets)
  latest.current = targets
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (!event.altKey || event.ctrlKey || event.metaKey) return
      const { show, openShortcuts } = latest.current
      if (event.code === 'Digit1') show('page')
      else if (event.code === 'Digit2') show('both')
      else if (event.code === 'Digit3') show('board')
      else if (event.code === 'KeyT') document.querySelector<HTMLInputElement>('.space-title')?.focus()
      else if (event.code === 'Slash') openShortcuts()
      else return
      event.preventDefault()
      event.stopPropagation()
    }
    window.addEventListener('keydown', onKeyDown, true)
    return () => window.removeEventListener('keydown', onKeyDown, true)
  }, [])
}
