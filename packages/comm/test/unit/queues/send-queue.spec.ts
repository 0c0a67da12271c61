import { expect } from 'chai'
import { CommError } from '../../../src/errors.ts'
import { maxWaitingPushes, SendQueue } from '../../../src/queues/send-queue.ts'

const message = (text: string): Buffer => Buffer.from(text)

function create(options = {}, onItem = (): void => undefined): SendQueue {
  return new SendQueue(
    { capacity: 2, maxBytes: 100, maxWaitingBytes: 10_000, open: true, ...options },
    onItem,
  )
}

function drain(queue: SendQueue): string[] {
  const taken: string[] = []
  for (let next = queue.take(); next !== undefined; next = queue.take()) taken.push(next.toString())
  return taken
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'resolved',
    (error: unknown) => (error as { code?: string }).code,
  )

describe('SendQueue', () => {
  it('takes as many messages as its capacity, in order, and refuses the next', () => {
    const queue = create()
    expect(queue.offer(message('a'))).to.equal(true)
    expect(queue.offer(message('b'))).to.equal(true)
    expect(queue.offer(message('c'))).to.equal(false)
    expect(drain(queue)).to.deep.equal(['a', 'b'])
    expect(queue.offer(message('d'))).to.equal(true)
  })

  it('is full when its bytes are, though one message always fits', () => {
    const queue = create({ capacity: 10, maxBytes: 5 })
    expect(queue.offer(message('12345'))).to.equal(true)
    expect(queue.offer(message('6'))).to.equal(false)
    expect(drain(queue)).to.deep.equal(['12345'])
    expect(queue.offer(message('1'))).to.equal(true)
    expect(queue.offer(message('2345'))).to.equal(true)
  })

  it('never takes a message larger than its bytes', async () => {
    const queue = create({ maxBytes: 5 })
    expect(queue.offer(message('123456'))).to.equal(false)
    expect(await codeOf(queue.push(message('123456')))).to.equal('COMM_MESSAGE_TOO_LARGE')
  })

  it('lets pushes wait for room, in order, and lets no offer overtake them', async () => {
    const queue = create({ capacity: 1 })
    queue.offer(message('a'))
    const order: string[] = []
    const pushes = ['b', 'c'].map((text) => queue.push(message(text)).then(() => order.push(text)))
    queue.take()
    expect(queue.offer(message('x'))).to.equal(false)
    expect(queue.take()?.toString()).to.equal('b')
    expect(queue.take()?.toString()).to.equal('c')
    await Promise.all(pushes)
    expect(order).to.deep.equal(['b', 'c'])
  })

  it('forgets a push whose signal aborts, and rejects with its reason', async () => {
    const queue = create({ capacity: 1 })
    queue.offer(message('a'))
    const controller = new AbortController()
    const push = queue.push(message('b'), controller.signal)
    const later = queue.push(message('c'))
    const reason = new CommError('COMM_CLOSED', 'enough')
    controller.abort(reason)
    expect(await push.catch((error: unknown) => error)).to.equal(reason)
    expect(drain(queue)).to.deep.equal(['a', 'c'])
    await later
    const aborted = queue.push(message('d'), controller.signal)
    expect(await aborted.catch((error: unknown) => error)).to.equal(reason)
  })

  it('refuses a push when as many wait as may', async () => {
    const queue = create({ capacity: 1 })
    queue.offer(message('a'))
    const waiting = Array.from({ length: maxWaitingPushes }, () => queue.push(message('b')))
    expect(await codeOf(queue.push(message('c')))).to.equal('COMM_QUEUE_FULL')
    queue.close(new CommError('COMM_CLOSED', 'closed'))
    const outcomes = await Promise.all(waiting.map(codeOf))
    expect(new Set(outcomes)).to.deep.equal(new Set(['COMM_CLOSED']))
  })

  it('refuses what would wait with more than maxWaitingBytes, though one may always', async () => {
    const queue = create({ capacity: 1, maxWaitingBytes: 10 })
    queue.offer(message('a'))
    const controller = new AbortController()
    const large = queue.push(message('12345678901'), controller.signal)
    expect(await codeOf(queue.push(message('b')))).to.equal('COMM_QUEUE_FULL')
    controller.abort(new CommError('COMM_CLOSED', 'enough'))
    expect(await codeOf(large)).to.equal('COMM_CLOSED')
    const waiting = [queue.push(message('12345')), queue.push(message('67890'))]
    expect(await codeOf(queue.push(message('c')))).to.equal('COMM_QUEUE_FULL')
    queue.take()
    await waiting[0]
    const last = queue.push(message('c'))
    expect(drain(queue)).to.deep.equal(['12345', '67890', 'c'])
    await Promise.all([waiting[1], last])
  })

  it('lets a closed gate keep no more than maxWaitingBytes', async () => {
    const gate = create({ open: false, capacity: 10, maxWaitingBytes: 10 })
    expect(gate.offer(message('12345'))).to.equal(true)
    expect(gate.offer(message('67890'))).to.equal(true)
    expect(gate.offer(message('x'))).to.equal(false)
    expect(await codeOf(gate.push(message('x')))).to.equal('COMM_QUEUE_FULL')
  })

  it('tells how many messages nobody waits for are lost when it closes', async () => {
    const queue = create()
    queue.offer(message('a'))
    queue.offer(message('b'))
    const push = codeOf(queue.push(message('c')))
    expect(queue.close(new CommError('COMM_CLOSED', 'closed'))).to.equal(2)
    expect(await push).to.equal('COMM_CLOSED')
    expect(queue.offer(message('d'))).to.equal(false)
    expect(await codeOf(queue.push(message('e')))).to.equal('COMM_CLOSED')
  })

  it('hands all that waits, in order, to the queue that adopts it', async () => {
    const gate = create({ open: false })
    const push = gate.push(message('a'))
    expect(gate.offer(message('b'))).to.equal(true)
    expect(gate.offer(message('c'))).to.equal(false)
    const aborted = new AbortController()
    const dropped = gate.push(message('x'), aborted.signal)
    const queue = create({ capacity: 1 })
    queue.adopt(gate.surrender(new CommError('COMM_CLOSED', 'moved')))
    aborted.abort(new CommError('COMM_CLOSED', 'enough'))
    expect(await codeOf(dropped)).to.equal('COMM_CLOSED')
    expect(drain(queue)).to.deep.equal(['a', 'b'])
    await push
  })

  it('refuses what it is to adopt when it is closed', async () => {
    const gate = create({ open: false })
    const push = codeOf(gate.push(message('a')))
    gate.offer(message('b'))
    const queue = create()
    queue.close(new CommError('COMM_CLOSED', 'closed'))
    const lost = queue.adopt(gate.surrender(new CommError('COMM_STOPPED', 'moved')))
    expect(lost).to.equal(1)
    expect(await push).to.equal('COMM_CLOSED')
  })

  it('hands a writer that takes all at once each message once, in order', () => {
    const written: string[] = []
    let writing = false
    const queue: SendQueue = create({ capacity: 1 }, () => {
      if (writing) return
      writing = true
      written.push(...drain(queue))
      writing = false
    })
    const gate = create({ open: false, capacity: 3 })
    for (const text of ['a', 'b', 'c']) gate.offer(message(text))
    queue.adopt(gate.surrender(new CommError('COMM_CLOSED', 'moved')))
    expect(written).to.deep.equal(['a', 'b', 'c'])
  })
})
