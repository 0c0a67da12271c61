/**
 * Runs `source` ahead of whoever reads: up to `limit` items wait, then the source waits.
 *
 * Items come out in order; an error of the source comes after the items before it. Leaving the
 * loop ends the source.
 *
 * @param limit - 1 or more
 */
export async function* ahead<T>(source: AsyncIterable<T>, limit: number): AsyncGenerator<T> {
  const items: T[] = []
  let end: { readonly error?: unknown } | undefined
  const reader = { left: false }
  let wake: () => void = () => undefined
  let room: () => void = () => undefined
  const fill = async (): Promise<void> => {
    for await (const item of source) {
      if (reader.left) return
      items.push(item)
      wake()
      if (items.length >= limit) await new Promise<void>((resolve) => (room = resolve))
    }
  }
  const filling = fill().then(
    () => (end = {}),
    (error: unknown) => (end = { error }),
  )
  void filling.then(() => wake())
  try {
    for (;;) {
      const item = items.shift()
      if (item !== undefined) {
        room()
        yield item
      } else if (end) {
        if ('error' in end) throw end.error
        return
      } else {
        await new Promise<void>((resolve) => (wake = resolve))
      }
    }
  } finally {
    reader.left = true
    room()
  }
}
