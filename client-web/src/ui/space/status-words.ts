import type { SyncStatus } from '../../sync/index.ts'

export type StatusTone = 'good' | 'busy' | 'away' | 'stopped'

/** The state of things in the few words of the status line. */
export interface StatusWords {
  tone: StatusTone
  text: string
  /** How many edits only this browser has; null when none, or when it does not matter. */
  kept: string | null
}

export function statusWords(status: SyncStatus, nowMs: number): StatusWords {
  switch (status.kind) {
    case 'connecting':
      return { tone: 'busy', text: 'Connecting', kept: keptHere(status.unsaved) }
    case 'live':
      return { tone: 'good', text: 'Live', kept: null }
    case 'saving':
      return { tone: 'busy', text: 'Saving', kept: null }
    case 'saved':
      return { tone: 'good', text: 'Saved', kept: null }
    case 'read-only':
      return { tone: 'away', text: 'Read-only', kept: null }
    case 'offline':
      return { tone: 'away', text: 'Offline', kept: keptHere(status.unsaved) }
    case 'reconnecting': {
      const seconds = Math.ceil((status.retryAt - nowMs) / 1000)
      const text = seconds > 0 ? `Reconnecting in ${seconds} s` : 'Reconnecting'
      return { tone: 'away', text, kept: keptHere(status.unsaved) }
    }
    case 'stopped':
      return { tone: 'stopped', text: stoppedText(status.reason.code), kept: keptHere(status.unsaved) }
  }
}

/** What is said of edits that are kept here, for a browser that may keep nothing beyond this tab. */
export function whereKept(words: string, keepsCopy: boolean): string {
  return keepsCopy ? words : words.replace('kept here', 'in this tab only')
}

function stoppedText(code: number): string {
  if (code === 4401 || code === 4403 || code === 4501) return 'No access'
  // Reserved: no server sends it yet.
  if (code === 4404) return 'Not found'
  if (code === 4409) return 'Space was reset'
  if (code === 4413) return 'Too large'
  return 'Stopped'
}

function keptHere(unsaved: number): string | null {
  if (unsaved === 0) return null
  return unsaved === 1 ? '1 change kept here' : `${unsaved.toLocaleString('en')} changes kept here`
}
