import { dataUrlToBlob, storeImage } from '../../local/downscale.ts'
import { describeImageProblem, MAX_STORED_IMAGE_CHARACTERS } from '../../model/image-limits.ts'
import type { StoredFile } from '../../model/space.ts'
import { say } from '../../parts/toasts.tsx'

/** An image for the page; when it cannot be taken, the person is told why. */
export async function storePageImage(file: File): Promise<string | null> {
  const image = await storeImage(file)
  if (image.ok) return image.dataUrl
  say(describeImageProblem(image.problem), 'problem')
  return null
}

/** An image for the whiteboard, made lighter when it is heavy. */
export async function storeBoardFile(file: StoredFile): Promise<StoredFile | null> {
  if (file.dataURL.length <= MAX_STORED_IMAGE_CHARACTERS) return file
  const image = await storeImage(dataUrlToBlob(file.dataURL))
  if (!image.ok) {
    say(describeImageProblem(image.problem), 'problem')
    return null
  }
  return { ...file, mimeType: image.dataUrl.slice(5, image.dataUrl.indexOf(';')), dataURL: image.dataUrl }
}
