import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'vite'
import { expect, test } from 'vitest'
import { offlineManifest, PUBLIC_FILES } from './offline-manifest.ts'

/** The service worker of an app with this page and this `boot.js`. */
async function builtWorker(page: string, boot: string): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), 'confluo-manifest-'))
  try {
    for (const name of PUBLIC_FILES) writeFileSync(join(root, name), name === 'boot.js' ? boot : name)
    writeFileSync(join(root, 'index.html'), page)
    writeFileSync(join(root, 'sw.js'), "self.kept = ['__CONFLUO_FILES__', '__CONFLUO_REVISION__']")
    const built = await build({
      root,
      publicDir: root,
      configFile: false,
      logLevel: 'silent',
      plugins: [offlineManifest()],
      build: {
        write: false,
        rollupOptions: {
          input: [join(root, 'index.html'), join(root, 'sw.js')],
          output: { entryFileNames: '[name].js' },
        },
      },
    })
    const output = 'output' in built ? built.output : []
    const worker = output.find((file) => file.fileName === 'sw.js')
    if (worker?.type !== 'chunk') throw new Error('no service worker was built')
    return worker.code
  } finally {
    rmSync(root, { recursive: true })
  }
}

// Four builds.
test('a worker is another one when a file has changed whose name stays', { timeout: 60_000 }, async () => {
  const worker = await builtWorker('<p>page</p>', 'boot()')
  expect(worker).toContain('/boot.js')
  expect(worker).not.toContain('__CONFLUO')
  expect(await builtWorker('<p>page</p>', 'boot()')).toBe(worker)
  expect(await builtWorker('<p>page</p>', 'bootOtherwise()')).not.toBe(worker)
  expect(await builtWorker('<p>another page</p>', 'boot()')).not.toBe(worker)
})
