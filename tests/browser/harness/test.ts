import { test as base, expect } from '@playwright/test'
import { Network } from './network.ts'
import { Person } from './person.ts'
import { Server } from './server.ts'

interface Stage {
  /** One server for all tests of a file; those that end it start their own. */
  server: Server
  /** A server that this test may kill. */
  ownServer: Server
  /** A network before the shared server, which this test may break. */
  network: Network
  /** Lets somebody arrive in a browser of their own; they leave when the test ends. */
  arrive: (name: string, options?: Parameters<typeof Person.arrive>[2]) => Promise<Person>
}

export const test = base.extend<Omit<Stage, 'server'>, Pick<Stage, 'server'>>({
  server: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads which fixtures are needed from this pattern
    async ({}, use) => {
      const server = await Server.start()
      await use(server)
      await server.stop()
    },
    { scope: 'worker' },
  ],
  // biome-ignore lint/correctness/noEmptyPattern: as above
  ownServer: async ({}, use) => {
    const server = await Server.start()
    await use(server)
    await server.stop()
  },
  network: async ({ server }, use) => {
    const network = await Network.before(server)
    await use(network)
    await network.stop()
  },
  arrive: async ({ browser }, use) => {
    const people: Person[] = []
    await use(async (name, options) => {
      const person = await Person.arrive(browser, name, options)
      people.push(person)
      return person
    })
    const complaints = people.flatMap((person) => person.complaints)
    for (const person of people) await person.leave()
    expect(complaints, 'what the pages complained about').toEqual([])
  },
})

export { expect }
