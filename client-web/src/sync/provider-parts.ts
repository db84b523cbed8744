import * as broadcast from 'lib0/broadcastchannel'
import type { Awareness } from 'y-protocols/awareness'
import type { WebsocketProvider } from 'y-websocket'

/** Moves a provider to the channel over which the tabs of one browser hear each other. */
export function joinTabs(provider: WebsocketProvider, channel: string): void {
  const isJoined = provider.bcconnected
  if (channel === provider.bcChannel) return
  // Not `disconnectBc`, which would tell the server too that nobody is here any more.
  if (isJoined) broadcast.unsubscribe(provider.bcChannel, provider._bcSubscriber)
  provider.bcconnected = false
  provider.bcChannel = channel
  if (isJoined) provider.connectBc()
}

/** How long a provider waits after a failure: it counts this one first, then waits 2ⁿ · 100 ms. */
export function nextDelay(provider: WebsocketProvider): number {
  return Math.min(2 ** (provider.wsUnsuccessfulReconnects + 1) * 100, provider.maxBackoffTime)
}

/**
 * Awareness ignores clocks that it has seen, so after a reconnect everybody else would stay invisible until their
 * next renewal, up to 15 s later. Forgetting the clocks of who is gone shows them at once.
 */
export function forgetPeers(awareness: Awareness): void {
  for (const clientId of awareness.meta.keys()) {
    if (clientId !== awareness.clientID && !awareness.states.has(clientId)) awareness.meta.delete(clientId)
  }
}
