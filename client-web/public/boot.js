// Runs before the first paint: the chosen theme (so nothing flashes) and where the whiteboard finds its fonts.
// A file, not an inline script, because the server's Content-Security-Policy allows none.
window.EXCALIDRAW_ASSET_PATH = '/excalidraw/'
try {
  const theme = localStorage.getItem('confluo:theme')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
} catch {
  // Storage is off: the system's theme is used.
}
