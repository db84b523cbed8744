import { type ReactElement, useEffect, useState } from 'react'
import type { SpaceName } from '../../model/space-name.ts'
import { OpenSpace } from './OpenSpace.tsx'
import { SpaceFrame } from './SpaceFrame.tsx'
import { openSession, type SpaceSession } from './session.ts'

/** Opens the session of a space, and closes it when the space is left. */
export default function SpacePage({ name }: { name: SpaceName }): ReactElement {
  const [session, setSession] = useState<SpaceSession | null>(null)
  useEffect(() => {
    const closing = new AbortController()
    openSession(name, closing.signal).then(
      (opened) => {
        if (!closing.signal.aborted) setSession(opened)
      },
      // Thrown where the boundary round the app catches it.
      (error: unknown) =>
        setSession(() => {
          throw error
        }),
    )
    return () => {
      setSession(null)
      closing.abort()
    }
  }, [name])
  return session === null ? <SpaceFrame /> : <OpenSpace session={session} />
}
