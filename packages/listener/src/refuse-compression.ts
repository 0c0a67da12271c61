/**
 * Has a call of a server refuse compressed messages, with UNIMPLEMENTED: grpc-js would expand all that have
 * come at once, each to as much as a message may have, and a few bytes are enough for that.
 *
 * @param call - the innermost one, with a field of grpc-js that it does not show
 */
export function refuseCompression(call: unknown): void {
  const inner = call as { incomingEncoding?: string }
  const { incomingEncoding: encoding = '' } = inner
  if (encoding !== 'identity')
    inner.incomingEncoding = `${encoding}; messages come uncompressed here`
}
