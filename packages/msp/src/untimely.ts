/** How OpenSSL words that a certificate is used at the wrong time. */
const ofTime = /certificate (?:is not yet valid|has expired)/

/**
 * Why a server cannot be reached. Where that is because of the time, our clock is added: it may be the one
 * that is wrong.
 *
 * @param why - what the transport says
 * @param now - what our clock says, in milliseconds since 1970
 */
export function withClock(why: string, now: number): string {
  return ofTime.test(why) ? `${why}; our clock says ${new Date(now).toISOString()}` : why
}
