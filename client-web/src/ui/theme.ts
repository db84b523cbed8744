import { useCallback, useState } from 'react'
import { loadTheme, saveTheme, type Theme } from '../local/settings.ts'
import { useMediaQuery } from './space/hooks.ts'

/** The chosen theme, what it comes to on this system, and how to change it. */
export function useTheme(): { theme: Theme; shown: 'light' | 'dark'; choose: (theme: Theme) => void } {
  const [theme, setTheme] = useState(loadTheme)
  const systemIsDark = useMediaQuery('(prefers-color-scheme: dark)')
  const choose = useCallback((next: Theme) => {
    saveTheme(next)
    if (next === 'system') delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = next
    setTheme(next)
  }, [])
  const shown = theme === 'system' ? (systemIsDark ? 'dark' : 'light') : theme
  return { theme, shown, choose }
}
