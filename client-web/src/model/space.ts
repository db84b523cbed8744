import * as Y from 'yjs'

/** One property of a whiteboard element, or a group of properties that change together (see whiteboard/facets.ts). */
export type BoardEntry = Y.Map<unknown>

/** An image on the whiteboard, as the document keeps it. */
export interface StoredFile {
  mimeType: string
  dataURL: string
  created: number
}

/**
 * A space: one Yjs document with a title, a rich-text page and a whiteboard.
 *
 * The names of the shared types are the document's format; changing one orphans every existing document.
 */
export class Space {
  readonly doc: Y.Doc
  readonly title: Y.Text
  readonly page: Y.XmlFragment
  readonly board: Y.Map<BoardEntry>
  readonly files: Y.Map<StoredFile>

  constructor(doc: Y.Doc = new Y.Doc()) {
    this.doc = doc
    this.title = doc.getText('title')
    this.page = doc.getXmlFragment('page')
    this.board = doc.getMap<BoardEntry>('board')
    this.files = doc.getMap<StoredFile>('files')
  }
}
