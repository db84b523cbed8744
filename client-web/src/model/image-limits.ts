/** An image file larger than this is refused with words, not silently shrunk: it would block the page for seconds. */
export const MAX_IMAGE_FILE_BYTES = 4 * 1024 * 1024

/** Images are downscaled until their longer side is at most this. */
export const MAX_IMAGE_SIDE_PIXELS = 1600

/** What one image may weigh inside the document, as a data URL. */
export const MAX_STORED_IMAGE_CHARACTERS = 600_000

export type ImageProblem =
  | { kind: 'too-large'; bytes: number }
  | { kind: 'not-an-image' }
  | { kind: 'unreadable' }

/** What to tell the person whose image was refused. */
export function describeImageProblem(problem: ImageProblem): string {
  switch (problem.kind) {
    case 'too-large':
      return `This image is ${megabytes(problem.bytes)}. Images up to ${megabytes(MAX_IMAGE_FILE_BYTES)} can be added; make it smaller and try again.`
    case 'not-an-image':
      return 'This file is not an image that the browser can show.'
    case 'unreadable':
      return 'This image could not be read. It may be damaged.'
  }
}

function megabytes(bytes: number): string {
  const value = bytes / (1024 * 1024)
  return `${Number.isInteger(value) ? value : value.toFixed(1)} MB`
}
