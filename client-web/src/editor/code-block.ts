import { CodeBlock as PlainCodeBlock } from '@tiptap/extension-code-block'
import type { Node } from '@tiptap/pm/model'
import { Plugin, PluginKey } from '@tiptap/pm/state'
import { Decoration, DecorationSet } from '@tiptap/pm/view'
import type { highlight as Highlight, Span } from './highlight.ts'

const key = new PluginKey<DecorationSet>('highlightCode')

let highlight: typeof Highlight | null = null
let loading: Promise<void> | null = null
/** Nodes never change, so what was found in one holds: only the block that is written in is looked at again. */
const known = new WeakMap<Node, Span[]>()

/** Code with its colours. The grammars are loaded when the page holds the first block. */
export const CodeBlock = PlainCodeBlock.extend({
  addProseMirrorPlugins() {
    const { name } = this
    return [
      ...(this.parent?.() ?? []),
      new Plugin<DecorationSet>({
        key,
        state: {
          init: (_, { doc }) => decorate(doc, name),
          apply(transaction, shown) {
            const isJustLoaded = transaction.getMeta(key) === true
            return transaction.docChanged || isJustLoaded ? decorate(transaction.doc, name) : shown
          },
        },
        props: { decorations: (state) => key.getState(state) },
        view(view) {
          const load = (): void => {
            if (highlight !== null || !holdsCode(view.state.doc, name)) return
            loading ??= import('./highlight.ts')
              .then((module) => {
                highlight = module.highlight
              })
              .catch(() => {
                // No network and no kept copy: the code stays plain, and the next change tries again.
                loading = null
              })
            void loading.then(() => {
              if (!view.isDestroyed && highlight !== null)
                view.dispatch(view.state.tr.setMeta(key, true).setMeta('addToHistory', false))
            })
          }
          load()
          return {
            update(_, before) {
              if (before.doc !== view.state.doc) load()
            },
          }
        },
      }),
    ]
  },
})

function decorate(doc: Node, name: string): DecorationSet {
  if (highlight === null) return DecorationSet.empty
  const decorations: Decoration[] = []
  eachBlock(doc, name, (block, at) => {
    for (const { from, to, classes } of spansOf(block)) {
      decorations.push(Decoration.inline(at + 1 + from, at + 1 + to, { class: classes }))
    }
    return true
  })
  return DecorationSet.create(doc, decorations)
}

function spansOf(block: Node): Span[] {
  let spans = known.get(block)
  if (spans === undefined) {
    const language: unknown = block.attrs.language
    spans = highlight?.(block.textContent, typeof language === 'string' ? language : null) ?? []
    known.set(block, spans)
  }
  return spans
}

function holdsCode(doc: Node, name: string): boolean {
  let holds = false
  eachBlock(doc, name, () => {
    holds = true
    return false
  })
  return holds
}

/** Calls `visit` for each block of code until it says that this is enough. */
function eachBlock(doc: Node, name: string, visit: (block: Node, at: number) => boolean): void {
  let isWanted = true
  doc.descendants((node, at) => {
    if (isWanted && node.type.name === name) isWanted = visit(node, at)
    return isWanted && !node.isTextblock
  })
}
