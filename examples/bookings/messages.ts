// What main.ts and its replicas, which are processes of their own, tell each other.

/** Where a replica finds what it needs; its only argument, as JSON. */
export interface ReplicaFiles {
  /** 0 to 3. */
  readonly id: number
  /** 0: a free one. */
  readonly port: number
  readonly mspId: string
  readonly mspDir: string
  readonly tls: { readonly certificate: string; readonly key: string; readonly roots: string }
  readonly dataDir: string
}

/** A replica as the others must know it. */
export interface Member {
  readonly address: string
  /** Serialized identity, hexadecimal. */
  readonly identity: string
}

export type ToReplica =
  | { readonly type: 'members'; readonly members: readonly Member[] }
  | { readonly type: 'book'; readonly n: number; readonly request: string }
  | { readonly type: 'status'; readonly n: number }

/** Where a replica stands. */
export interface Standing {
  readonly sequence: number
  readonly digest: string
  readonly view: number
  readonly primary: number
  /** How often it fetched state from another replica. */
  readonly transfers: number
  /** Who has each seat. */
  readonly guests: Readonly<Record<string, string>>
}

export type FromReplica =
  | ({ readonly type: 'listening' } & Member)
  | { readonly type: 'ready' }
  | { readonly type: 'answer'; readonly n: number; readonly standing: Standing }
