import { Component, type ReactNode } from 'react'

interface BoundaryProps {
  children: ReactNode
}

/**
 * What fails inside of it leaves the rest of the window standing. Mostly that is a part of the app that is loaded when
 * it is first needed, and that a newer server does not have any more.
 */
export class Boundary extends Component<BoundaryProps, { hasFailed: boolean }> {
  override state = { hasFailed: false }

  static getDerivedStateFromError(): { hasFailed: boolean } {
    return { hasFailed: true }
  }

  override render(): ReactNode {
    if (!this.state.hasFailed) return this.props.children
    return (
      <div className="failed" role="alert">
        <p>
          <strong>This part of the app could not be loaded.</strong> Reload to get the new version, when the
          server can be reached.
        </p>
        <button type="button" className="button primary" onClick={() => window.location.reload()}>
          Reload
        </button>
      </div>
    )
  }
}
