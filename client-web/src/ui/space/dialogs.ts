/** The dialogs of a space: one part of the app, loaded when the first of them is opened. */
export { ProfileDialog } from './ProfileDialog.tsx'
export { ShortcutsDialog } from './ShortcutsDialog.tsx'
