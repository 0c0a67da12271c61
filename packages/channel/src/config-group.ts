import { common, create } from '@heddle/proto'

/** Who may change an element: the policy `Admins` of the group it is in. */
const modPolicy = 'Admins'

/** A group of a channel's configuration. Maps are ordered by key, so the bytes are always the same. */
export function configGroup(content: {
  readonly values?: Readonly<Record<string, Uint8Array>>
  readonly policies?: Readonly<Record<string, common.Policy>>
  readonly groups?: Readonly<Record<string, common.ConfigGroup>>
}): common.ConfigGroup {
  const { values = {}, policies = {}, groups = {} } = content
  return create(common.ConfigGroupSchema, {
    values: byKey(values, (value) => create(common.ConfigValueSchema, { value, modPolicy })),
    policies: byKey(policies, (policy) => create(common.ConfigPolicySchema, { policy, modPolicy })),
    groups: byKey(groups, (group) => group),
    modPolicy,
  })
}

function byKey<From, To>(
  entries: Readonly<Record<string, From>>,
  make: (value: From) => To,
): Record<string, To> {
  const sorted = Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(sorted.map(([key, value]) => [key, make(value)]))
}
