import { expectSamePages, newSpace, type Person } from '../harness/person.ts'
import { expect, test } from '../harness/test.ts'

/** Records every status that the page ever shows, with what the page held then. */
async function recordStatus(person: Person): Promise<void> {
  await person.page.evaluate(() => {
    const log: { status: string; text: string }[] = []
    Object.assign(window, { statusLog: log })
    const read = (): void => {
      const status = document.querySelector<HTMLElement>('.status')?.dataset.status ?? ''
      const text = document.querySelector('.page-text')?.textContent ?? ''
      if (log.at(-1)?.status !== status) log.push({ status, text })
    }
    new MutationObserver(read).observe(document.body, { subtree: true, attributes: true, attributeFilter: ['data-status'] })
    read()
  })
}

function statusLog(person: Person): Promise<{ status: string; text: string }[]> {
  return person.page.evaluate(() => (window as unknown as { statusLog: { status: string; text: string }[] }).statusLog)
}

test('a server killed while two people write loses nothing, and the status never claims what is not so', async ({
  ownServer,
  arrive,
}) => {
  const space = newSpace()
  const [ada, ben] = [await arrive('Ada'), await arrive('Ben')]
  for (const person of [ada, ben]) {
    await person.open(`${ownServer.url}/s/${space}`)
    await person.isSaved()
    await recordStatus(person)
  }
  await ada.writeLine('Ada before')
  await expectSamePages([ada, ben], ['Ada before'])
  await ben.writeLine('Ben before')
  await expectSamePages([ada, ben], ['Ada before', 'Ben before'])

  const writing = Promise.all([
    ada.continueLine('Ada before', ' and while the server dies'),
    ben.continueLine('Ben before', ' and while the server dies'),
  ])
  await ownServer.kill()
  await writing
  for (const person of [ada, ben]) {
    await expect(person.status).toHaveAttribute('data-status', /^(reconnecting|connecting)$/)
  }
  await ada.writeLine('Ada without a server')
  await expect(ada.status).toContainText('kept here')
  await ben.draw('rectangle', -100, -100, 0, 0)

  await ownServer.start()
  const lines = ['Ada before and while the server dies', 'Ben before and while the server dies', 'Ada without a server']
  await expectSamePages([ada, ben], lines)
  for (const person of [ada, ben]) {
    await person.isSaved()
    await expect.poll(() => person.countElements(space)).toBe(1)
  }

  // What was saved is on disk: killed again, and read by somebody who has nothing of it.
  await ownServer.kill()
  await ownServer.start()
  const cleo = await arrive('Cleo')
  await cleo.open(`${ownServer.url}/s/${space}`)
  await expectSamePages([ada, ben, cleo], lines)
  await expect.poll(() => cleo.countElements(space)).toBe(1)

  for (const person of [ada, ben]) {
    const kinds = (await statusLog(person)).map((entry) => entry.status)
    expect(kinds).toContain('saved')
    expect(kinds, 'the server was gone for a while').toContain('reconnecting')
    for (const [at, kind] of kinds.entries()) {
      if (kind === 'reconnecting') expect(kinds[at + 1], 'nothing is saved straight from a lost connection').not.toBe('saved')
    }
  }
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
