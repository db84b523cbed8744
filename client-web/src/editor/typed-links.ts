import { Extension, markInputRule } from '@tiptap/core'

/** The text stands last, because the rule keeps the last group; the address is found by looking ahead. */
const MARKDOWN_LINK =
  /\[(?=[^[\]]+\]\((?<href>(?:https?:\/\/|mailto:)[^\s()]+)\))(?<text>[^[\]]+)\]\([^\s()]+\)$/

/** `[text](address)` becomes a link when its last bracket is typed. */
export const TypedLinks = Extension.create({
  name: 'typedLinks',
  addInputRules() {
    const type = this.editor.schema.marks.link
    if (type === undefined) return []
    return [
      markInputRule({
        find: MARKDOWN_LINK,
        type,
        getAttributes: (match) => ({ href: match.groups?.href }),
      }),
    ]
  },
})
