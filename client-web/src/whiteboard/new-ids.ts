/** The properties in which Excalidraw's elements name each other, or their groups. */
interface Referring {
  id: string
  groupIds?: readonly string[]
  frameId?: string | null
  containerId?: string | null
  boundElements?: readonly { id: string; type: string }[] | null
  startBinding?: { elementId: string } | null
  endBinding?: { elementId: string } | null
}

/** Copies of `elements` under new ids, with everything that refers to them, so that they collide with nothing. */
export function withNewIds<T extends object>(elements: readonly T[], makeId: () => string): T[] {
  const ids = new Map<string, string>()
  const renamed = (id: string): string => {
    const known = ids.get(id)
    if (known !== undefined) return known
    const fresh = makeId()
    ids.set(id, fresh)
    return fresh
  }
  for (const element of elements) renamed((element as unknown as Referring).id)
  const reference = (id: string): string | null => ids.get(id) ?? null

  return elements.map((element) => {
    const before = element as unknown as Referring
    const after: Record<string, unknown> = { ...element, id: renamed(before.id) }
    if (before.groupIds) after.groupIds = before.groupIds.map(renamed)
    if (before.frameId) after.frameId = reference(before.frameId)
    if (before.containerId) after.containerId = reference(before.containerId)
    if (before.boundElements) {
      after.boundElements = before.boundElements.flatMap((bound) => {
        const id = reference(bound.id)
        return id === null ? [] : [{ ...bound, id }]
      })
    }
    for (const end of ['startBinding', 'endBinding'] as const) {
      const binding = before[end]
      if (!binding) continue
      const elementId = reference(binding.elementId)
      after[end] = elementId === null ? null : { ...binding, elementId }
    }
    return after as T
  })
}
