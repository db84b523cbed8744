import { lazy, type ReactElement, Suspense, useEffect, useState } from 'react'
import { UnreadableCopy } from '../../local/local-copy.ts'
import type { SpaceName } from '../../model/space-name.ts'
import { loadPart } from '../../parts/missing-part.ts'
import { OpenSpace } from './OpenSpace.tsx'
import { SpaceFrame } from './SpaceFrame.tsx'
import { openSession, type SpaceSession } from './session.ts'

const CopyFailed = lazy(() => loadPart(() => import('./CopyFailed.tsx')))

/** Opens the session of a space, and closes it when the space is left. */
export default function SpacePage({ name }: { name: SpaceName }): ReactElement {
  const [session, setSession] = useState<SpaceSession | null>(null)
  const [copy, setCopy] = useState<'wanted' | 'unreadable' | 'unwanted'>('wanted')
  const withoutCopy = copy === 'unwanted'
  useEffect(() => {
    const leaving = new AbortController()
    openSession(name, leaving.signal, withoutCopy).then(
      (opened) => {
        if (!leaving.signal.aborted) setSession(opened)
      },
      (error: unknown) => {
        if (leaving.signal.aborted) return
        if (error instanceof UnreadableCopy) return setCopy('unreadable')
        // Thrown where the boundary round the app catches it.
        setSession(() => {
          throw error
        })
      },
    )
    return () => {
      setSession(null)
      leaving.abort()
    }
  }, [name, withoutCopy])
  if (copy === 'unreadable')
    return (
      <Suspense fallback={<SpaceFrame />}>
        <CopyFailed onGoOn={() => setCopy('unwanted')} />
      </Suspense>
    )
  return session === null ? <SpaceFrame /> : <OpenSpace session={session} />
}
