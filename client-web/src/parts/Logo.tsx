import type { ReactElement } from 'react'

/** Two streams that meet and run on side by side. */
export function Mark({ size = 26 }: { size?: number }): ReactElement {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" fill="none" aria-hidden="true">
      <path
        className="mark-sand"
        d="M3 25.5c8 0 8.5-6.5 15-6.500h11"
        strokeWidth="4.4"
        strokeLinecap="round"
      />
      <path
        className="mark-water"
        d="M3 6.500c8 0 8.5 6.5 15 6.500h11"
        strokeWidth="4.4"
        strokeLinecap="round"
      />
    </svg>
  )
}

export function Wordmark(): ReactElement {
  return (
    <span className="wordmark">
      <Mark />
      <span>confluo</span>
    </span>
  )
}
