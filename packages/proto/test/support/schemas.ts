import type { DescEnum, DescMessage, DescService } from '@bufbuild/protobuf'
import * as proto from '../../src/index.ts'

const fabricNamespaces = [
  proto.common,
  proto.etcdraft,
  proto.gossip,
  proto.kvrwset,
  proto.msp,
  proto.orderer,
  proto.protos,
  proto.rwset,
  proto.smartbft,
]

function descriptors(namespaces: readonly object[]): unknown[] {
  return namespaces.flatMap((namespace) => Object.values(namespace) as unknown[])
}

function hasKind(value: unknown, kind: string): boolean {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind
}

/** Every message type that Fabric has too. */
export const fabricMessages = descriptors(fabricNamespaces).filter((value): value is DescMessage =>
  hasKind(value, 'message'),
)

/** Every message type of this package. */
export const allMessages = [
  ...fabricMessages,
  ...descriptors([proto.pbft, proto.heddle]).filter((value): value is DescMessage =>
    hasKind(value, 'message'),
  ),
]

/** Every enum that Fabric has too. */
export const fabricEnums = descriptors(fabricNamespaces).filter((value): value is DescEnum =>
  hasKind(value, 'enum'),
)

/** Every service that Fabric has too. */
export const fabricServices = descriptors(fabricNamespaces).filter((value): value is DescService =>
  hasKind(value, 'service'),
)
