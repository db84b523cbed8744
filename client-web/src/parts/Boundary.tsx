import { Component, type ReactNode } from 'react'
import { MissingPart } from './missing-part.ts'

interface BoundaryProps {
  children: ReactNode
}

interface BoundaryState {
  /** What to tell, once something has failed. */
  failure: string | null
}

/** What fails inside of it leaves the rest of the window standing. */
export class Boundary extends Component<BoundaryProps, BoundaryState> {
  override state: BoundaryState = { failure: null }

  static getDerivedStateFromError(error: unknown): BoundaryState {
    if (error instanceof MissingPart) return { failure: error.message }
    return { failure: 'Something in this part of the app has failed. Reload to start it again.' }
  }

  override render(): ReactNode {
    const { failure } = this.state
    if (failure === null) return this.props.children
    return (
      <div className="failed" role="alert">
        <p>{failure}</p>
        <button type="button" className="button primary" onClick={() => window.location.reload()}>
          Reload
        </button>
      </div>
    )
  }
}
