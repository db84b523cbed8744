import {
  type KeyboardEvent,
  type ReactElement,
  type ReactNode,
  useEffect,
  useId,
  useRef,
  useState,
} from 'react'
import { Icon, type IconName } from './Icon.tsx'

export interface MenuItem {
  /** For entries that may read the same. */
  id?: number
  label: string
  icon?: IconName
  hint?: string
  disabled?: boolean
  checked?: boolean
  run: () => void
}

export interface MenuSection {
  title?: string
  items: MenuItem[]
}

interface MenuProps {
  label: string
  button: ReactNode
  sections: MenuSection[]
  /** How the button looks; quiet, unless something else is said. */
  buttonClass?: string
}

/** A menu button, as the ARIA practices describe it: arrows move, Escape returns, Tab leaves. */
export function Menu({ label, button, sections, buttonClass = 'button quiet' }: MenuProps): ReactElement {
  const [isOpen, setOpen] = useState(false)
  const root = useRef<HTMLDivElement>(null)
  const trigger = useRef<HTMLButtonElement>(null)
  const menuId = useId()

  useEffect(() => {
    if (!isOpen) return
    enabledItems(root.current)[0]?.focus()
    const closeOutside = (event: PointerEvent): void => {
      if (!(event.target instanceof Node) || !root.current?.contains(event.target)) setOpen(false)
    }
    document.addEventListener('pointerdown', closeOutside, true)
    return () => document.removeEventListener('pointerdown', closeOutside, true)
  }, [isOpen])

  const close = (): void => {
    setOpen(false)
    trigger.current?.focus()
  }

  const onKeyDown = (event: KeyboardEvent): void => {
    const items = enabledItems(root.current)
    const at = items.indexOf(document.activeElement as HTMLButtonElement)
    const focus = (index: number): void => items[(index + items.length) % items.length]?.focus()
    if (event.key === 'ArrowDown') focus(at + 1)
    else if (event.key === 'ArrowUp') focus(at - 1)
    else if (event.key === 'Home') focus(0)
    else if (event.key === 'End') focus(-1)
    else if (event.key === 'Escape') close()
    else {
      if (event.key === 'Tab') setOpen(false)
      return
    }
    event.preventDefault()
    event.stopPropagation()
  }

  return (
    <div className="menu" ref={root}>
      <button
        ref={trigger}
        type="button"
        className={buttonClass}
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        aria-controls={isOpen ? menuId : undefined}
        onClick={() => setOpen(!isOpen)}
      >
        {button}
      </button>
      {isOpen && (
        <div
          className="menu-list"
          role="menu"
          id={menuId}
          aria-label={label}
          tabIndex={-1}
          onKeyDown={onKeyDown}
        >
          {sections.map((section, position) => (
            // biome-ignore lint/a11y/useSemanticElements: a fieldset is no child of a menu
            <div key={position} role="group" aria-label={section.title}>
              {section.title && <div className="menu-title">{section.title}</div>}
              {section.items.map((item) => (
                <button
                  key={item.id ?? item.label}
                  type="button"
                  {...itemRole(item)}
                  tabIndex={-1}
                  disabled={item.disabled}
                  onClick={() => {
                    close()
                    item.run()
                  }}
                >
                  <span className="menu-icon">
                    {item.icon ? (
                      <Icon name={item.icon} size={16} />
                    ) : item.checked ? (
                      <Icon name="check" size={16} />
                    ) : null}
                  </span>
                  <span>{item.label}</span>
                  {item.hint && <kbd>{item.hint}</kbd>}
                </button>
              ))}
            </div>
          ))}
        </div>
      )}
    </div>
  )
}

function enabledItems(root: HTMLElement | null): HTMLButtonElement[] {
  return [...(root?.querySelectorAll<HTMLButtonElement>('.menu-list button:not(:disabled)') ?? [])]
}

function itemRole({ checked }: MenuItem) {
  return checked === undefined
    ? ({ role: 'menuitem' } as const)
    : ({ role: 'menuitemradio', 'aria-checked': checked } as const)
}
