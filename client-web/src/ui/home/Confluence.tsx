import type { ReactElement } from 'react'

const WIDTH = 1600
const HEIGHT = 900
const LINES = 13

/**
 * The picture behind the home page: two rivers that meet and, as the Amazon's do, run on side by side in their own
 * colours. Drawn from a formula, so it weighs nothing.
 */
export function Confluence(): ReactElement {
  return (
    <svg
      className="confluence"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="xMaxYMid slice"
      aria-hidden="true"
    >
      <g className="stream water">{streamLines('above').map((path, index) => line(path, index))}</g>
      <g className="stream sand">{streamLines('below').map((path, index) => line(path, index))}</g>
    </svg>
  )
}

function line(path: string, index: number): ReactElement {
  const middle = (LINES - 1) / 2
  const strength = 1 - Math.abs(index - middle) / (middle + 2)
  return (
    <path
      key={path}
      d={path}
      style={{ opacity: 0.16 + 0.6 * strength ** 1.5, animationDelay: `${-index * 1.7}s` }}
    />
  )
}

function streamLines(side: 'above' | 'below'): string[] {
  const sign = side === 'above' ? -1 : 1
  return Array.from({ length: LINES }, (_, index) => {
    const spread = index - (LINES - 1) / 2
    const startY = HEIGHT * 0.5 + sign * (HEIGHT * 0.62 + spread * 26 * sign)
    const meetY = HEIGHT * 0.5 + sign * (58 + spread * 8.4 * sign)
    const endY = HEIGHT * 0.45 + sign * (72 + spread * 11.5 * sign)
    const startX = WIDTH * 0.43 + sign * spread * 24
    return [
      `M ${startX.toFixed(1)} ${startY.toFixed(1)}`,
      `C ${(WIDTH * 0.56 + sign * spread * 9).toFixed(1)} ${(startY - sign * HEIGHT * 0.28).toFixed(1)}`,
      `${(WIDTH * 0.57).toFixed(1)} ${(meetY + sign * 10).toFixed(1)}`,
      `${(WIDTH * 0.75).toFixed(1)} ${meetY.toFixed(1)}`,
      `S ${(WIDTH * 0.92).toFixed(1)} ${(endY + 26).toFixed(1)} ${(WIDTH * 1.02).toFixed(1)} ${endY.toFixed(1)}`,
    ].join(' ')
  })
}
