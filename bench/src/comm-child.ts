// The other process of the comm bench: serves a Comm and a bare stream, ends with its parent.
import type { GeneratedNode, GeneratedOrganization } from '@heddle/msp'
import { serveBare } from './bare-stream.ts'
import { tlsOf } from './certificates.ts'
import { answer, startComm } from './comm-node.ts'

interface Request {
  readonly organization: GeneratedOrganization
  readonly node: GeneratedNode
}

process.on('disconnect', () => process.exit(0))
let echo = false
process.on('message', (message: Request | { readonly echo: boolean }) => {
  if ('echo' in message) {
    echo = message.echo
    process.send?.({ echo })
    return
  }
  void serve(message)
})

async function serve({ organization, node }: Request): Promise<void> {
  const comm = await startComm(organization, node)
  answer(comm, () => echo)
  const tls = tlsOf(node)
  const ports = { bare: await serveBare(tls, false), bareEcho: await serveBare(tls, true) }
  const port = Number(comm.address.slice(comm.address.lastIndexOf(':') + 1))
  process.send?.({ ...ports, comm: port, pkiId: Buffer.from(comm.pkiId).toString('hex') })
}
