/** One known identity. */
export interface PeerIdentityInfo {
  readonly pkiId: Uint8Array
  /** The serialized identity. */
  readonly identity: Uint8Array
  /** The MSP id as UTF-8; undefined when the security advisor does not know it. */
  readonly organization: Uint8Array | undefined
}

/** Identities in no particular order; `filter` is the array's own. */
export type PeerIdentitySet = readonly PeerIdentityInfo[]

/** The identities of each organisation, by its MSP id; unknown organisations under ''. */
export function byOrganization(set: PeerIdentitySet): Map<string, PeerIdentityInfo[]> {
  const result = new Map<string, PeerIdentityInfo[]>()
  for (const info of set) {
    const mspId = Buffer.from(info.organization ?? []).toString('utf8')
    const members = result.get(mspId)
    if (members === undefined) result.set(mspId, [info])
    else members.push(info)
  }
  return result
}

/** The identities by their PKI-ID in lower-case hex. */
export function byPkiId(set: PeerIdentitySet): Map<string, PeerIdentityInfo> {
  return new Map(set.map((info) => [Buffer.from(info.pkiId).toString('hex'), info]))
}
