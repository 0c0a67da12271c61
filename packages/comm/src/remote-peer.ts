/** Where a peer is, and who it is expected to be. */
export interface RemotePeer {
  /** `host:port` as it is dialled, IPv6 in brackets. The TLS certificate must be valid for host. */
  readonly endpoint: string
  /** Absent: any peer that answers is welcome. Present: if another of its
   * organisation answers, that is an identity switch; if anyone else, a refusal. */
  readonly pkiId?: Uint8Array | undefined
  /** Whether an identity with another PKI-ID is the one expected all the same: a renewed certificate, say. */
  readonly accepts?: ((identity: Uint8Array) => boolean) | undefined
}
