import { lazy, type ReactElement, Suspense } from 'react'
import { Boundary } from '../parts/Boundary.tsx'
import { loadPart } from '../parts/missing-part.ts'
import { Toasts } from '../parts/toasts.tsx'
import { Home } from './home/Home.tsx'
import { readRoute, usePath } from './navigation.ts'
import { SpaceFrame } from './space/SpaceFrame.tsx'

const SpacePage = lazy(() => loadPart(() => import('./space/SpacePage.tsx')))

export function App(): ReactElement {
  const route = readRoute(usePath())
  return (
    <>
      <Boundary key={route.kind === 'space' ? route.name : ''}>
        {route.kind === 'space' ? (
          <Suspense fallback={<SpaceFrame />}>
            <SpacePage name={route.name} />
          </Suspense>
        ) : (
          <Home isLost={route.kind === 'unknown'} />
        )}
      </Boundary>
      <Toasts />
    </>
  )
}
