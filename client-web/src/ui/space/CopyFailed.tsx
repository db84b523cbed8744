import type { ReactElement } from 'react'

/** Shown in the place of a space whose copy this browser does not give out: what may be in it is not passed over unasked. */
export default function CopyFailed({ onGoOn }: { onGoOn: () => void }): ReactElement {
  return (
    <div className="failed" role="alert">
      <p>
        <strong>This browser cannot read its copy of the space.</strong> Edits that were not sent may still be
        in it. Close other tabs and reload; or open the space without it.
      </p>
      <button type="button" className="button primary" onClick={() => window.location.reload()}>
        Reload
      </button>
      <button type="button" className="button" onClick={onGoOn}>
        Open without it
      </button>
    </div>
  )
}
