import type { Queued } from './fair-queue.ts'

/** Whose a request is that is sent on: this replica's own, or another's. */
export type Owner = 'own' | 'relayed'

/** Sends requests to the other replicas. */
export interface RequestSender {
  /**
   * Queues a request, unless it waits already; when there is no room for its kind it is dropped, for its
   * owner to send again. It is encoded when its turn comes: until then it is the bytes of the pool, and
   * whoever takes it from there has to {@link RequestSender.withdraw} it.
   */
  forward(to: number | 'all', request: Queued, owner: Owner): void
  /** It need not be sent any more. */
  withdraw(request: Queued): void
  /** Whether requests wait to be sent to this replica. */
  hasForwards(to: number): boolean
  /** Sends what was queued. */
  flush(): void
}
