/** Why the server ended a connection, and what a person can do about it. */
export interface CloseReason {
  code: number
  name: string
  /** A permanent reason stops the client; after any other it comes back by itself. */
  permanent: boolean
  /** What happened, in words for the person at the screen. */
  meaning: string
  /** What they can do. */
  advice: string
}

const RETRYING = 'Your edits are kept here and will be sent as soon as it is back.'

/** The codes of a Confluo server; 4404 is reserved, and none sends it yet. `fixtures/close-codes.json` is the same table for every implementation. */
export const CLOSE_REASONS: readonly CloseReason[] = [
  reason(1001, 'going-away', 'The server is restarting.', RETRYING),
  reason(1011, 'internal-error', 'The server met an error of its own.', RETRYING),
  reason(
    4400,
    'malformed',
    'The server could not understand this page.',
    'Reload to get the current version of the app.',
  ),
  reason(
    4401,
    'unauthorised',
    'The link carries no valid key, or the key was revoked.',
    'Ask whoever shared it for a new link.',
  ),
  reason(4403, 'forbidden', 'You have no access to this space.', 'Ask its owner to share it with you.'),
  reason(4404, 'no-such-document', 'This space does not exist.', 'Check the link, or create a new space.'),
  reason(
    4409,
    'document-reset',
    'This space was reset on the server, and your copy belongs to the old one.',
    'Download your copy if you need it, then start from the server’s.',
  ),
  reason(
    4413,
    'too-large',
    'The last change is larger than the server accepts.',
    'Undo it, or download your copy, and then reload.',
  ),
  reason(4501, 'token-expired', 'Your access ran out.', 'Open the link again, or ask for a new one.'),
  reason(4503, 'storage-unavailable', 'The server cannot reach its disk.', RETRYING),
  reason(4508, 'no-sign-of-life', 'The connection went silent.', RETRYING),
  reason(4529, 'slow-down', 'The server asked this browser to slow down.', RETRYING),
]

/** The reason for `code`; a code that Confluo does not use (a proxy's, a network failure's) is transient. */
export function closeReason(code: number): CloseReason {
  const known = CLOSE_REASONS.find((entry) => entry.code === code)
  if (known !== undefined) return known
  const permanent = isPermanent(code)
  return {
    code,
    name: 'unknown',
    permanent,
    meaning: permanent ? `The server refused the connection (${code}).` : 'The server cannot be reached.',
    advice: permanent ? 'Reload to try again.' : RETRYING,
  }
}

function reason(code: number, name: string, meaning: string, advice: string): CloseReason {
  return { code, name, permanent: isPermanent(code), meaning, advice }
}

/** The convention of the stock client: 4400–4499 mirror HTTP's 4xx and are final. */
function isPermanent(code: number): boolean {
  return code >= 4400 && code < 4500
}
