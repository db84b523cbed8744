import type { SpaceName } from '../../model/space-name.ts'
import { say } from '../../parts/toasts.tsx'
import { spacePath } from '../navigation.ts'
import { tokenOf } from './token-from-link.ts'

/** Copies the link without a key: that is mine, and not for passing on by accident. */
export function shareLink(name: SpaceName): Promise<void> {
  const note = tokenOf(name) === null ? '' : ' It does not contain your key.'
  return copyLink(spacePath(name), note)
}

export function shareLinkWithKey(name: SpaceName, token: string): Promise<void> {
  return copyLink(
    `${spacePath(name)}#${new URLSearchParams({ token })}`,
    ' Whoever has it can do what you can.',
  )
}

async function copyLink(path: string, note: string): Promise<void> {
  const link = `${window.location.origin}${path}`
  if (await copy(link)) say(`Link copied.${note}`)
  else window.prompt(`Copy this link.${note}`, link)
}

async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return copyAsTyped(text)
  }
}

/** The way from before there was a clipboard to write to, which plain http still has. */
function copyAsTyped(text: string): boolean {
  const before = document.activeElement
  const field = document.createElement('textarea')
  field.value = text
  field.className = 'visually-hidden'
  document.body.append(field)
  field.select()
  const isCopied = document.execCommand('copy')
  field.remove()
  if (before instanceof HTMLElement) before.focus({ preventScroll: true })
  return isCopied
}
