import { type FormEvent, type ReactElement, useEffect, useState } from 'react'
import { forgetSpace, loadRecents, type RecentSpace } from '../../local/settings.ts'
import { parseSpaceName, randomSpaceName, type SpaceName } from '../../model/space-name.ts'
import { Icon } from '../../parts/Icon.tsx'
import { Wordmark } from '../../parts/Logo.tsx'
import { addressElsewhere, followLink, fragmentOf, navigate, spacePath } from '../navigation.ts'
import { Confluence } from './Confluence.tsx'
import '../../styles/home.css'

export function Home({ isLost }: { isLost: boolean }): ReactElement {
  const [recents, setRecents] = useState<RecentSpace[]>(loadRecents)
  const [typed, setTyped] = useState('')
  const name = parseSpaceName(typed)
  useEffect(() => {
    document.title = 'Confluo'
  }, [])
  const open = (event: FormEvent): void => {
    event.preventDefault()
    const elsewhere = addressElsewhere(typed, window.location)
    if (elsewhere !== null) window.location.assign(elsewhere)
    else if (name !== null) navigate(spacePath(name) + fragmentOf(typed))
  }
  return (
    <div className="home">
      <Confluence />
      <header className="home-header">
        <Wordmark />
      </header>
      <main className="home-main">
        {isLost && <p className="home-lost">There is nothing at this address. Here is where spaces begin.</p>}
        <h1>Write and draw in the same place, at the same time.</h1>
        <p className="home-lead">
          A space is a page and a whiteboard that everyone with the link edits together. It keeps working when
          the network does not, and tells you when your work is safely on disk.
        </p>
        <div className="home-start">
          <button
            type="button"
            className="button primary large"
            onClick={() => navigate(spacePath(randomSpaceName()))}
          >
            New space
            <Icon name="arrow" />
          </button>
          <form className="home-open" onSubmit={open}>
            <label htmlFor="space-name">or open one by name or link</label>
            <div>
              <input
                id="space-name"
                className="field"
                value={typed}
                onChange={(event) => setTyped(event.target.value)}
                placeholder="quiet-delta-4f7kq"
                autoComplete="off"
                autoCapitalize="none"
                spellCheck={false}
              />
              <button type="submit" className="button" disabled={name === null}>
                Open
              </button>
            </div>
          </form>
        </div>
        {recents.length > 0 && (
          <section className="recents" aria-labelledby="recents-title">
            <h2 id="recents-title">Your spaces in this browser</h2>
            <ul>
              {recents.map((recent) => (
                <Recent
                  key={recent.name}
                  recent={recent}
                  onForget={(forgotten) => {
                    forgetSpace(forgotten)
                    setRecents(loadRecents())
                  }}
                />
              ))}
            </ul>
          </section>
        )}
      </main>
    </div>
  )
}

function Recent({
  recent,
  onForget,
}: {
  recent: RecentSpace
  onForget: (name: SpaceName) => void
}): ReactElement {
  return (
    <li>
      <a href={spacePath(recent.name)} onClick={followLink}>
        <span className="recent-title">{recent.title || recent.name}</span>
        <span className="recent-name">{recent.title ? recent.name : 'untitled'}</span>
        <time dateTime={new Date(recent.openedAt).toISOString()}>{ago(recent.openedAt)}</time>
      </a>
      <button
        type="button"
        className="button quiet"
        aria-label={`Take ${recent.title || recent.name} off this list`}
        title="Take off this list (the space itself stays)"
        onClick={() => onForget(recent.name)}
      >
        <Icon name="close" size={15} />
      </button>
    </li>
  )
}

function ago(time: number): string {
  const format = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
  const minutes = Math.round((time - Date.now()) / 60_000)
  if (minutes > -1) return 'just now'
  if (minutes > -60) return format.format(minutes, 'minute')
  if (minutes > -60 * 24) return format.format(Math.round(minutes / 60), 'hour')
  return format.format(Math.round(minutes / 60 / 24), 'day')
}
