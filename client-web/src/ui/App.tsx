import { lazy, type ReactElement, Suspense } from 'react'
import { Toasts } from '../parts/toasts.tsx'
import { Home } from './home/Home.tsx'
import { readRoute, usePath } from './navigation.ts'
import { SpaceFrame } from './space/SpaceFrame.tsx'

const SpacePage = lazy(() => import('./space/SpacePage.tsx'))

export function App(): ReactElement {
  const route = readRoute(usePath())
  return (
    <>
      {route.kind === 'space' ? (
        <Suspense fallback={<SpaceFrame />}>
          <SpacePage key={route.name} name={route.name} />
        </Suspense>
      ) : (
        <Home isLost={route.kind === 'unknown'} />
      )}
      <Toasts />
    </>
  )
}
