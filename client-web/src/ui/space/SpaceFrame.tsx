import type { ReactElement } from 'react'
import { Mark } from '../../parts/Logo.tsx'
import '../../styles/space.css'

/** The outline of a space while it opens: the same places, so that nothing jumps. */
export function SpaceFrame(): ReactElement {
  return (
    <div className="space">
      <header className="space-header">
        <span className="home-link">
          <Mark />
        </span>
      </header>
      <main className="space-main" aria-busy="true" aria-label="The space is opening" />
    </div>
  )
}
