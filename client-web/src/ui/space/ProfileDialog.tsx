import type { ReactElement } from 'react'
import { PERSON_COLORS } from '../../local/settings.ts'
import type { Person } from '../../model/presence.ts'
import { Dialog } from '../../parts/Dialog.tsx'

interface ProfileDialogProps {
  person: Person
  onChange: (person: Person) => void
  onClose: () => void
}

/** How others see me: a name and a colour, kept in this browser. */
export function ProfileDialog({ person, onChange, onClose }: ProfileDialogProps): ReactElement {
  return (
    <Dialog title="You" onClose={onClose}>
      <form method="dialog" className="profile">
        <label>
          <span>Name that others see</span>
          <input
            className="field"
            value={person.name}
            maxLength={40}
            onChange={(event) => onChange({ ...person, name: event.target.value })}
            onBlur={() => person.name.trim() === '' && onChange({ ...person, name: 'Someone' })}
          />
        </label>
        <fieldset>
          <legend>Colour</legend>
          <div className="swatches">
            {PERSON_COLORS.map((color, index) => (
              <label key={color} style={{ background: color }}>
                <input
                  type="radio"
                  name="color"
                  aria-label={`Colour ${index + 1}`}
                  checked={person.color === color}
                  onChange={() => onChange({ ...person, color })}
                />
              </label>
            ))}
          </div>
        </fieldset>
        <button type="submit" className="button primary">
          Done
        </button>
      </form>
    </Dialog>
  )
}
