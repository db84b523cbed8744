import type { SyncStatus } from '../../sync/index.ts'
import { whereKept } from './status-words.ts'

export type NoticeAction = 'download' | 'start-over' | 'try-again'

/** What needs more words than the status line has. */
export interface Notice {
  /** The same for as long as it says the same: who put it away is not shown it again. */
  key: string
  tone: 'problem' | 'passing' | 'remark'
  title: string | null
  text: string
  actions: readonly NoticeAction[]
}

/** The key of what is said of the browser and not of the server. */
export const LACK = 'lack'

export interface Browser {
  keepsCopy: boolean
  isSecure: boolean
}

/** Why the server ended the connection and what to do, or else what this browser lacks. */
export function noticeOf(status: SyncStatus, browser: Browser): Notice | null {
  switch (status.kind) {
    case 'stopped': {
      const { code, meaning, advice } = status.reason
      const isReset = code === 4409
      const actions: NoticeAction[] = isReset || status.unsaved > 0 ? ['download'] : []
      actions.push(isReset ? 'start-over' : 'try-again')
      const text = whereKept(advice, browser.keepsCopy)
      return { key: `stopped ${code}`, tone: 'problem', title: meaning, text, actions }
    }
    case 'reconnecting': {
      const { code, name, meaning, advice } = status.reason
      // A network that fails gives no reason, and the status line has said it all.
      if (name === 'unknown') break
      const text = whereKept(advice, browser.keepsCopy)
      return { key: `reconnecting ${code}`, tone: 'passing', title: meaning, text, actions: [] }
    }
    case 'read-only': {
      if (!status.refused) break
      const where = browser.keepsCopy ? 'browser: reload if you were given access' : 'tab'
      return {
        key: 'refused',
        tone: 'remark',
        title: 'Your last edits were not accepted.',
        text: `You may look at this space, but not edit it. They are only in this ${where}.`,
        actions: ['download'],
      }
    }
  }
  const lack = whatIsLacking(browser)
  return lack === null ? null : { key: LACK, tone: 'remark', title: null, text: lack, actions: [] }
}

function whatIsLacking({ keepsCopy, isSecure }: Browser): string | null {
  if (!keepsCopy) {
    return 'This browser keeps no copy (a private window, or storage is off): edits made offline last only as long as this tab.'
  }
  if (isSecure) return null
  return 'Opened over plain http: everything works, but the page cannot be opened offline. With https it can.'
}
