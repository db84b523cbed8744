/** The address that somebody means who typed `typed` into the field for links. */
export function linkAddress(typed: string): string {
  const address = typed.trim()
  const hasScheme = /^[a-z][a-z0-9+.-]*:(?!\d)/i.test(address)
  if (address === '' || hasScheme || /^[/#?]/.test(address)) return address
  if (/^[^\s/@]+@[^\s/@]+\.[^\s/@]+$/.test(address)) return `mailto:${address}`
  return `https://${address}`
}
