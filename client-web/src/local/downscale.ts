import {
  type ImageProblem,
  MAX_IMAGE_FILE_BYTES,
  MAX_IMAGE_SIDE_PIXELS,
  MAX_STORED_IMAGE_CHARACTERS,
} from '../model/image-limits.ts'

export type StoredImage =
  | { ok: true; dataUrl: string; width: number; height: number }
  | { ok: false; problem: ImageProblem }

const QUALITIES = [0.86, 0.72, 0.55, 0.4]

/** An image file as a data URL that fits a document: checked, downscaled, and re-encoded when it is heavy. */
export async function storeImage(file: Blob): Promise<StoredImage> {
  if (!file.type.startsWith('image/')) return { ok: false, problem: { kind: 'not-an-image' } }
  if (file.size > MAX_IMAGE_FILE_BYTES) return { ok: false, problem: { kind: 'too-large', bytes: file.size } }
  const bitmap = await decode(file)
  if (bitmap === null) return { ok: false, problem: { kind: 'unreadable' } }
  const longer = Math.max(bitmap.naturalWidth, bitmap.naturalHeight, 1)
  let scale = Math.min(1, MAX_IMAGE_SIDE_PIXELS / longer)
  const original = await readDataUrl(file)
  if (scale === 1 && original.length <= MAX_STORED_IMAGE_CHARACTERS) {
    return { ok: true, dataUrl: original, width: bitmap.naturalWidth, height: bitmap.naturalHeight }
  }
  for (let attempt = 0; attempt < 4; attempt++, scale *= 0.7) {
    const width = Math.max(1, Math.round(bitmap.naturalWidth * scale))
    const height = Math.max(1, Math.round(bitmap.naturalHeight * scale))
    for (const quality of QUALITIES) {
      const dataUrl = encode(bitmap, width, height, quality)
      if (dataUrl !== null && dataUrl.length <= MAX_STORED_IMAGE_CHARACTERS)
        return { ok: true, dataUrl, width, height }
    }
  }
  return { ok: false, problem: { kind: 'too-large', bytes: file.size } }
}

/** A data URL as a Blob, decoded here: the Content-Security-Policy does not let `fetch` read `data:`. */
export function dataUrlToBlob(dataUrl: string): Blob {
  const comma = dataUrl.indexOf(',')
  const head = dataUrl.slice(5, comma)
  const body = dataUrl.slice(comma + 1)
  const text = head.endsWith(';base64') ? atob(body) : decodeURIComponent(body)
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0))
  return new Blob([bytes], { type: head.split(';')[0] ?? 'application/octet-stream' })
}

async function decode(file: Blob): Promise<HTMLImageElement | null> {
  const url = URL.createObjectURL(file)
  const image = new Image()
  image.src = url
  try {
    await image.decode()
    return image
  } catch {
    return null
  } finally {
    URL.revokeObjectURL(url)
  }
}

function encode(image: HTMLImageElement, width: number, height: number, quality: number): string | null {
  const canvas = document.createElement('canvas')
  canvas.width = width
  canvas.height = height
  const context = canvas.getContext('2d')
  if (context === null) return null
  context.drawImage(image, 0, 0, width, height)
  return canvas.toDataURL('image/webp', quality)
}

function readDataUrl(file: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.onload = () => resolve(String(reader.result))
    reader.onerror = () => reject(reader.error ?? new Error('the file could not be read'))
    reader.readAsDataURL(file)
  })
}
