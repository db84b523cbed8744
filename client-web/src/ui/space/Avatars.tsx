import type { CSSProperties, ReactElement } from 'react'
import type { Peer, Person } from '../../model/presence.ts'
import { Menu, type MenuItem } from '../../parts/Menu.tsx'

interface AvatarsProps {
  /** How many others have a place of their own; the rest are in a menu. */
  mostShown: number
  person: Person
  peers: readonly Peer[]
  followed: number | null
  onFollow: (clientId: number) => void
  onProfile: () => void
}

/** Who is here. Pressing somebody follows what they look at; pressing myself changes my name and colour. */
export function Avatars(props: AvatarsProps): ReactElement {
  const { mostShown, person, peers, followed, onFollow, onProfile } = props
  const shown = peers.slice(0, mostShown)
  const rest = peers.slice(mostShown)
  const entry = ({ clientId, user, idle }: Peer): MenuItem => ({
    id: clientId,
    label: idle ? `${user.name}, away` : user.name,
    checked: followed === clientId,
    run: () => onFollow(clientId),
  })
  return (
    <ul className="avatars" aria-label="Who is here">
      {shown.map((peer) => (
        <li key={peer.clientId}>
          <button
            type="button"
            className={`avatar ${peer.idle ? 'idle' : ''}`}
            style={personStyle(peer.user)}
            aria-pressed={followed === peer.clientId}
            aria-label={`Follow ${peer.user.name}`}
            title={describe(peer, followed)}
            onClick={() => onFollow(peer.clientId)}
            data-initials={initials(peer.user.name)}
          />
        </li>
      ))}
      {rest.length > 0 && (
        <li>
          <Menu
            label={`${rest.length} more`}
            button={`+${rest.length}`}
            buttonClass="avatar more"
            sections={[{ title: 'Follow', items: rest.map(entry) }]}
          />
        </li>
      )}
      <li>
        <button
          type="button"
          className="avatar me"
          style={personStyle(person)}
          aria-label={`You, ${person.name}: change name and colour`}
          title={`You: ${person.name}`}
          onClick={onProfile}
          data-initials={initials(person.name)}
        />
      </li>
    </ul>
  )
}

function describe(peer: Peer, followed: number | null): string {
  const place = peer.pane === 'board' ? 'on the whiteboard' : 'on the page'
  const state = peer.idle ? 'away' : place
  return followed === peer.clientId
    ? `Following ${peer.user.name}: press to stop`
    : `${peer.user.name}, ${state}: press to follow`
}

function initials(name: string): string {
  const words = name.trim().split(/\s+/)
  const letters =
    words.length > 1
      ? [words[0], words.at(-1)].map((word) => [...(word ?? '')][0] ?? '')
      : [...(words[0] ?? '')].slice(0, 2)
  return letters.join('').toLocaleUpperCase() || '?'
}

function personStyle(person: Person): CSSProperties {
  return { background: person.color }
}
