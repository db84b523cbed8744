import { newSpace, Person } from '../harness/person.ts'
import { expect, test } from '../harness/test.ts'

/** Takes storage from the page, as a private window of some browsers does. */
async function withoutStorage(person: Person): Promise<void> {
  await person.page.addInitScript(() => Object.defineProperty(window, 'indexedDB', { value: undefined }))
}

/** How many rows of updates this browser keeps of `space`. */
function countUpdates(person: Person, space: string): Promise<number> {
  return person.page.evaluate(async (name) => {
    const answer = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(request.error)
      })
    const database = await answer(indexedDB.open(name))
    const count = await answer(database.transaction('updates').objectStore('updates').count())
    database.close()
    return count
  }, `confluo/${space}`)
}

test('a copy that cannot be written to ends, and everything else goes on', async ({ server, arrive }) => {
  const url = `${server.url}/s/${newSpace()}`
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  for (const person of [ada, ben]) await person.open(url)
  await ada.writeLine('before')
  await ada.isSaved()
  await expect(ada.status).toHaveAttribute('title', /A copy is kept/)
  await ada.page.evaluate(() => {
    IDBDatabase.prototype.transaction = () => {
      throw new DOMException('The database connection is closing.', 'InvalidStateError')
    }
  })
  await ada.writeLine('after')
  await expect(ben.text).toContainText('after')
  await ben.writeLine('an answer')
  await expect(ada.text).toContainText('an answer')
  await ada.isSaved()
  await expect(ada.status).toHaveAttribute('title', /keeps no copy/)
})

test('a write that the disk refuses is not called kept', async ({ network, arrive }) => {
  const space = newSpace()
  const ada = await arrive('Ada')
  await ada.open(`${network.url}/s/${space}`)
  await ada.isSaved()
  await ada.page.evaluate(() => {
    const { add } = IDBObjectStore.prototype
    IDBObjectStore.prototype.add = function (...row) {
      const request = add.apply(this, row)
      this.transaction.abort()
      return request
    }
  })
  network.cut()
  await ada.writeLine('written to a full disk')
  await expect(ada.status).toContainText('in this tab only')
  network.mend()
  await ada.isSaved()
  await expect(ada.status).toHaveAttribute('title', /keeps no copy/)
})

test('a copy that was deleted by another hand is begun anew, with all that is in memory', async ({ network, arrive }) => {
  const space = newSpace()
  const ada = await arrive('Ada')
  await ada.open(`${network.url}/s/${space}`)
  await ada.isSaved()
  network.cut()
  await ada.writeLine('not sent yet')
  await ada.keeps(space, 'not sent yet')
  await ada.page.evaluate((name) => {
    Object.assign(window, { isSamePage: true })
    return new Promise((resolve) => {
      indexedDB.deleteDatabase(name).onsuccess = resolve
    })
  }, `confluo/${space}`)
  await ada.keeps(space, 'not sent yet')
  await ada.writeLine('written to the new one')
  await ada.keeps(space, 'written to the new one')
  await expect(ada.status).toContainText('kept here')
  expect(await ada.page.evaluate(() => 'isSamePage' in window), 'it was not loaded again').toBe(true)
})

test('a copy that cannot be read is told, left as it is, and can be done without', async ({ network, arrive }) => {
  const space = newSpace()
  const ada = await arrive('Ada')
  await ada.page.addInitScript(() => {
    if (localStorage.getItem('test:unreadable') === null) return
    const { getAll } = IDBObjectStore.prototype
    IDBObjectStore.prototype.getAll = function (...range) {
      const request = getAll.apply(this, range)
      this.transaction.abort()
      return request
    }
  })
  await ada.open(`${network.url}/s/${space}`)
  await ada.isSaved()
  network.cut()
  await ada.writeLine('not sent yet')
  await ada.keeps(space, 'not sent yet')
  network.mend()
  network.closeWith(1001)

  await ada.page.evaluate(() => localStorage.setItem('test:unreadable', 'yes'))
  await ada.page.reload()
  await expect(ada.page.getByRole('alert')).toContainText('cannot read its copy')
  await ada.page.screenshot({ path: test.info().outputPath('unreadable.png') })
  await ada.page.getByRole('button', { name: 'Open without it' }).click()
  network.closeWith(null)
  await ada.canWork()
  await ada.isSaved()
  await expect(ada.status).toHaveAttribute('title', /keeps no copy/)
  await expect(ada.text).not.toContainText('not sent yet')

  await ada.page.evaluate(() => localStorage.removeItem('test:unreadable'))
  await ada.page.reload()
  await ada.canWork()
  await expect(ada.text).toContainText('not sent yet')
  await ada.isSaved()
})

test('many updates become one, without what another tab has written being lost', async ({ network, arrive }) => {
  const space = newSpace()
  const left = await arrive('Ada')
  await left.open(`${network.url}/s/${space}`)
  const right = new Person(await left.page.context().newPage(), 'Ada, second tab')
  await right.open(`${network.url}/s/${space}`)
  network.cut()
  await right.writeLine('from the other tab')
  await expect(left.text).toContainText('from the other tab')
  await left.writeLine('x'.repeat(500))
  await expect.poll(() => countUpdates(left, space)).toBeLessThan(20)
  await left.writeLine('the last')
  for (const line of ['from the other tab', 'x'.repeat(500), 'the last']) await left.keeps(space, line)
  await right.page.close()
  await left.page.reload()
  await left.canWork()
  await expect(left.text).toContainText('from the other tab')
})

test('where nothing is kept, a space that is left stays open until its edits are sent', async ({ network, arrive }) => {
  const space = newSpace()
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  await withoutStorage(ada)
  for (const person of [ada, ben]) {
    await person.open(`${network.url}/s/${space}`)
    await person.isSaved()
  }
  network.cut()
  await ada.writeLine('only in this tab')
  await ada.page.getByRole('link', { name: 'Confluo, all spaces' }).click()
  await ada.page.getByRole('link', { name: space }).click()
  await ada.canWork()
  await expect(ada.text).toContainText('only in this tab')
  await expect(ada.status).toContainText('in this tab only')

  await ada.page.goBack()
  await expect(ada.page.getByRole('button', { name: 'New space' })).toBeVisible()
  network.mend()
  await expect(ben.text).toContainText('only in this tab')
})

test('where nothing is kept, the browser asks before edits go with the tab', async ({ network, arrive }) => {
  const ada = await arrive('Ada')
  await withoutStorage(ada)
  const asked: string[] = []
  ada.page.on('dialog', (dialog) => {
    asked.push(dialog.type())
    void dialog.dismiss()
  })
  await ada.open(`${network.url}/s/${newSpace()}`)
  await ada.isSaved()
  network.cut()
  await ada.writeLine('only in this tab')
  await ada.page.close({ runBeforeUnload: true })
  await expect.poll(() => asked).toEqual(['beforeunload'])
  await expect(ada.text).toContainText('only in this tab')

  network.mend()
  await ada.isSaved()
  await ada.page.close({ runBeforeUnload: true })
  await expect.poll(() => ada.page.isClosed()).toBe(true)
  expect(asked).toEqual(['beforeunload'])
})
