// Hocuspocus that keeps everything in memory: no extensions, no debounce to a database.
import { Server } from '@hocuspocus/server'

const server = new Server({ port: Number(process.env.PORT), address: '127.0.0.1', quiet: true, unloadImmediately: true })
await server.listen()
