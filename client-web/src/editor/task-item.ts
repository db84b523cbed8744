import { TaskItem as PlainTaskItem } from '@tiptap/extension-list'

/** A task whose box is named by its own words (not by those of the tasks below it), and cannot be pressed by a reader. */
export const TaskItem = PlainTaskItem.extend({
  addOptions() {
    return {
      ...this.parent?.(),
      HTMLAttributes: {},
      taskListTypeName: 'taskList',
      nested: true,
      a11y: { checkboxLabel: (node) => node.firstChild?.textContent || 'Empty task' },
    }
  },
  addNodeView() {
    const render = this.parent?.()
    if (!render) return null
    return (props) => {
      const view = render(props)
      const dom = view.dom as Element
      const checkbox = dom.querySelector('input')
      // The box has its name as a label already; a hidden copy would be found twice by who searches the page.
      dom.querySelector('label > span')?.remove()
      const follow = (): void => {
        if (checkbox !== null) checkbox.disabled = !props.editor.isEditable
      }
      follow()
      props.editor.on('update', follow)
      return {
        ...view,
        destroy() {
          props.editor.off('update', follow)
          view.destroy?.()
        },
      }
    }
  },
})
