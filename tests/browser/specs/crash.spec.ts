import { Network } from '../harness/network.ts'
import { expectSamePages, newSpace, type Person } from '../harness/person.ts'
import { expect, test } from '../harness/test.ts'

interface Shown {
  status: string
  lines: string[]
}

/** Records every status that the page ever shows, with the lines that it held then. */
async function recordStatus(person: Person): Promise<void> {
  await person.page.evaluate(() => {
    const log: Shown[] = []
    Object.assign(window, { statusLog: log })
    const read = (): void => {
      const status = document.querySelector<HTMLElement>('.status')?.dataset.status ?? ''
      if (log.at(-1)?.status === status) return
      const page = document.querySelector('.page-text')?.cloneNode(true) as HTMLElement
      for (const caret of page.querySelectorAll('.remote-caret')) caret.remove()
      log.push({ status, lines: [...page.children].map((line) => line.textContent ?? '') })
    }
    new MutationObserver(read).observe(document.body, { subtree: true, attributes: true, attributeFilter: ['data-status'] })
    read()
  })
}

function statusLog(person: Person): Promise<Shown[]> {
  return person.page.evaluate(() => (window as unknown as { statusLog: Shown[] }).statusLog)
}

/**
 * Lets somebody who has nothing of it look at what the server has, and holds it to what the page of each of `people`
 * held whenever it said *saved*. Lines only grow here, so each is the beginning of one that is there now.
 */
async function expectOnDisk(fresh: Person, people: readonly Person[], lines: readonly string[]): Promise<void> {
  for (const line of lines) await expect(fresh.text).toContainText(line)
  const there = await fresh.text.evaluate((page) => [...page.children].map((line) => line.textContent ?? ''))
  for (const person of people) {
    const saved = (await statusLog(person)).filter(({ status }) => status === 'saved')
    for (const line of saved.flatMap((shown) => shown.lines)) {
      expect(there.some((now) => now.startsWith(line)), `“${line}” was saved; there is ${there.join(' | ')}`).toBe(true)
    }
  }
}

test('a server killed while two people write loses nothing, and the status never claims what is not so', async ({
  ownServer,
  arrive,
}) => {
  const space = newSpace()
  const network = await Network.before(ownServer)
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  for (const person of [ada, ben]) {
    await person.open(`${network.url}/s/${space}`)
    await person.isSaved()
    await recordStatus(person)
  }
  await ada.writeLine('Ada before')
  await expectSamePages([ada, ben], ['Ada before'])
  await ben.writeLine('Ben before')
  await expectSamePages([ada, ben], ['Ada before', 'Ben before'])
  for (const person of [ada, ben]) await person.isSaved()

  const writing = Promise.all([
    ada.continueLine('Ada before', ' and while the server dies'),
    ben.continueLine('Ben before', ' and while the server dies'),
  ])
  await ownServer.kill()
  network.cut()
  await writing
  for (const person of [ada, ben]) {
    await expect(person.status).toHaveAttribute('data-status', /^(reconnecting|connecting)$/)
  }
  await ada.writeLine('Ada without a server')
  await expect(ada.status).toContainText('kept here')
  await ben.draw('rectangle', -100, -100, 0, 0)

  // While those who wrote are away, the server has nothing but what was on its disk.
  await ownServer.start()
  const cleo = await arrive('Cleo')
  await cleo.open(`${ownServer.url}/s/${space}`)
  await expectOnDisk(cleo, [ada, ben], ['Ada before', 'Ben before'])
  await cleo.page.close()

  network.mend()
  const lines = ['Ada before and while the server dies', 'Ben before and while the server dies', 'Ada without a server']
  await expectSamePages([ada, ben], lines)
  for (const person of [ada, ben]) {
    await person.isSaved()
    await expect.poll(() => person.countElements(space)).toBe(1)
  }

  network.cut()
  await ownServer.kill()
  await ownServer.start()
  const dan = await arrive('Dan')
  await dan.open(`${ownServer.url}/s/${space}`)
  await expectOnDisk(dan, [ada, ben], lines)
  await expect.poll(() => dan.countElements(space)).toBe(1)
  network.mend()
  await expectSamePages([ada, ben, dan], lines)

  for (const person of [ada, ben]) {
    const kinds = (await statusLog(person)).map((entry) => entry.status)
    expect(kinds).toContain('saved')
    expect(kinds, 'the server was gone for a while').toContain('reconnecting')
    for (const [at, kind] of kinds.entries()) {
      if (kind === 'reconnecting') expect(kinds[at + 1], 'nothing is saved straight from a lost connection').not.toBe('saved')
    }
  }
  await network.stop()
})

test('the control: where updates are lost on the way, what was called saved is found not to be there', async ({ network, server, arrive }) => {
  const space = newSpace()
  const ada = await arrive('Ada')
  await ada.open(`${network.url}/s/${space}`)
  await ada.isSaved()
  await recordStatus(ada)
  network.losesUpdates = true
  await ada.writeLine('lost on the way')
  // The server answers for what it has, and does not know what it lacks.
  await expect
    .poll(async () => (await statusLog(ada)).filter(({ status }) => status === 'saved').flatMap(({ lines }) => lines))
    .toContain('lost on the way')
  const cleo = await arrive('Cleo')
  await cleo.open(`${server.url}/s/${space}`)
  await cleo.isSaved()
  await expect(expectOnDisk(cleo, [ada], [])).rejects.toThrow('“lost on the way” was saved')
})

test('while the server holds back its answer, the page says saving', async ({ network, arrive }) => {
  const space = newSpace()
  const ada = await arrive('Ada')
  await ada.open(`${network.url}/s/${space}`)
  await ada.isSaved()
  network.holdsAnswers = true
  await ada.writeLine('not yet on disk, as far as anyone here knows')
  await expect(ada.status).toHaveAttribute('data-status', 'saving')
  network.holdsAnswers = false
  await ada.isSaved()
})
