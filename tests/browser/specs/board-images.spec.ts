import { newSpace, type Person } from '../harness/person.ts'
import { expect, test } from '../harness/test.ts'

/** Holds back every image that is made smaller for the document, until `letImagesGo`. */
async function holdImages(person: Person): Promise<void> {
  await person.page.addInitScript(() => {
    const waiting: (() => void)[] = []
    const decode = HTMLImageElement.prototype.decode
    HTMLImageElement.prototype.decode = async function () {
      if (this.src.startsWith('blob:')) await new Promise<void>((resolve) => waiting.push(resolve))
      return decode.call(this)
    }
    Object.assign(window, { waitingImages: waiting })
  })
}

function countHeldImages(person: Person): Promise<number> {
  return person.page.evaluate(() => (window as unknown as { waitingImages: unknown[] }).waitingImages.length)
}

async function letImagesGo(person: Person): Promise<void> {
  await person.page.evaluate(() => {
    for (const go of (window as unknown as { waitingImages: (() => void)[] }).waitingImages.splice(0)) go()
  })
}

/** Puts an image on the whiteboard that is too heavy to be kept as it is: noise, which does not compress. */
async function addHeavyImage(person: Person): Promise<void> {
  const dataURL = await person.page.evaluate(() => {
    const canvas = document.createElement('canvas')
    canvas.width = 700
    canvas.height = 500
    const context = canvas.getContext('2d')
    if (context === null) throw new Error('no canvas')
    const pixels = context.createImageData(canvas.width, canvas.height)
    for (let row = 0; row < canvas.height; row++) crypto.getRandomValues(pixels.data.subarray(row * 2800, (row + 1) * 2800))
    for (let at = 3; at < pixels.data.length; at += 4) pixels.data[at] = 255
    context.putImageData(pixels, 0, 0)
    return canvas.toDataURL('image/png')
  })
  expect(dataURL.length).toBeGreaterThan(600_000)
  const image = {
    id: 'photo',
    type: 'image',
    x: 0,
    y: 0,
    width: 350,
    height: 250,
    fileId: 'noise',
    status: 'saved',
    scale: [1, 1],
    version: 1,
    versionNonce: 1,
    seed: 1,
    isDeleted: false,
  }
  const file = { id: 'noise', mimeType: 'image/png', dataURL, created: 1 }
  const drawing = JSON.stringify({ type: 'excalidraw', version: 2, elements: [image], files: { noise: file } })
  const picker = person.page.locator('header input[type=file]')
  await picker.setInputFiles({ name: 'photo.excalidraw', mimeType: 'application/json', buffer: Buffer.from(drawing) })
}

/** What the document holds of images: those that are drawn, and those that are kept. */
async function images(person: Person, space: string): Promise<{ drawn: number; kept: number }> {
  const doc = await person.document(space)
  return { drawn: doc.getMap('board').size, kept: doc.getMap('files').size }
}

test('an image is not saved before it is whole, and nobody is shown it before', async ({ server, arrive }) => {
  const space = newSpace()
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  await holdImages(ada)
  for (const person of [ada, ben]) await person.open(`${server.url}/s/${space}`)
  await ada.isSaved()
  await addHeavyImage(ada)
  await expect.poll(() => countHeldImages(ada)).toBe(1)
  await expect(ada.status).toHaveAttribute('data-status', 'saving')
  await ada.writeLine('written meanwhile')
  await expect(ben.text).toContainText('written meanwhile')
  expect(await images(ben, space)).toEqual({ drawn: 0, kept: 0 })
  await expect(ada.status).toHaveAttribute('data-status', 'saving')

  await letImagesGo(ada)
  await ada.isSaved()
  await expect.poll(() => images(ben, space)).toEqual({ drawn: 1, kept: 1 })
  await expect.poll(() => ben.seesDrawing()).toBe(true)
})

test('who goes home while an image is made smaller has added it all the same', async ({ server, arrive }) => {
  const space = newSpace()
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  await holdImages(ada)
  for (const person of [ada, ben]) await person.open(`${server.url}/s/${space}`)
  await ada.isSaved()
  await addHeavyImage(ada)
  await expect.poll(() => countHeldImages(ada)).toBe(1)
  await ada.page.getByRole('link', { name: 'Confluo, all spaces' }).click()
  await expect(ada.page.getByRole('button', { name: 'New space' })).toBeVisible()
  await expect(ben.page.getByRole('button', { name: 'Follow Ada' })).toHaveCount(0)
  await letImagesGo(ada)
  await expect.poll(() => images(ben, space)).toEqual({ drawn: 1, kept: 1 })
  await expect.poll(() => ben.seesDrawing()).toBe(true)
})

test('a tab that alone has an image asks before it is closed', async ({ server, arrive }) => {
  const ada = await arrive('Ada')
  await holdImages(ada)
  await ada.open(`${server.url}/s/${newSpace()}`)
  await ada.isSaved()
  await addHeavyImage(ada)
  await expect.poll(() => countHeldImages(ada)).toBe(1)
  const asked = ada.page.waitForEvent('dialog')
  void ada.page.close({ runBeforeUnload: true })
  const dialog = await asked
  expect(dialog.type()).toBe('beforeunload')
  await dialog.dismiss()
  await letImagesGo(ada)
  await ada.isSaved()
})
