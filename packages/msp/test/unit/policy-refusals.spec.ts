import { expect } from 'chai'
import { common, create } from '@heddle/proto'
import {
  evaluatePolicy,
  implicitMetaPolicy,
  nOutOfPolicy,
  policyFromConfig,
  signaturePolicy,
} from '../../src/index.ts'
import type { Msp } from '../../src/index.ts'
import { certify, mspOf, usualOus } from '../support/ca.ts'
import { lineOf } from '../support/line-of.ts'

describe('a policy that is refused says why', () => {
  let own: Msp

  before(async () => {
    own = mspOf({ roots: [await certify({ subject: 'CN=root', ca: true })], nodeOus: usualOus })
  })

  it('of signatures', () => {
    const signed = (init: object): string =>
      lineOf(() => signaturePolicy(create(common.SignaturePolicyEnvelopeSchema, init), own))
    const by = (value: number): object => ({ rule: { Type: { case: 'signedBy', value } } })
    expect(signed({ version: 1 })).to.equal(
      'MSP_INVALID_POLICY: a signature policy has version 1; only 0 is supported',
    )
    expect(signed({})).to.equal('MSP_INVALID_POLICY: a signature policy has an empty rule')
    expect(signed(by(0))).to.equal('MSP_INVALID_POLICY: a signature policy names principal 0 of 0')
    const deep = Array.from({ length: 40 }).reduce<object>(
      (rules) => ({ Type: { case: 'nOutOf', value: { n: 1, rules: [rules] } } }),
      {},
    )
    expect(signed({ rule: deep })).to.equal(
      'MSP_INVALID_POLICY: a signature policy has too many rules',
    )
    const never = { refusal: () => 'signature set did not satisfy policy' }
    expect(lineOf(() => evaluatePolicy(never, [], own))).to.equal(
      'MSP_POLICY_NOT_SATISFIED: signature set did not satisfy policy',
    )
    expect(signaturePolicy(nOutOfPolicy(1, []), own).refusal([])).to.equal(
      'signature set did not satisfy policy',
    )
    expect(lineOf(() => evaluatePolicy(undefined, [], own))).to.equal(
      'MSP_NO_POLICY: there is no such policy',
    )
  })

  it('of other policies, or of another type', () => {
    const context = { msps: own, children: () => [] }
    const typed = (type: number, value: Uint8Array = Buffer.alloc(0)): string =>
      lineOf(() => policyFromConfig(create(common.PolicySchema, { type, value }), context))
    expect(typed(2)).to.equal('MSP_INVALID_POLICY: policy type 2 is not supported')
    const undecodable = create(common.PolicySchema, { type: 1, value: Buffer.of(0xff) })
    expect(() => policyFromConfig(undecodable, context))
      .to.throw()
      .with.nested.property('cause.code', 'PROTO_MALFORMED')
    for (const type of [1, 3]) {
      expect(typed(type, Buffer.of(0xff))).to.equal(
        'MSP_INVALID_POLICY: a policy cannot be decoded',
      )
    }
    const odd = { subPolicy: 'Readers', rule: 7 as never }
    expect(lineOf(() => implicitMetaPolicy(odd, [undefined]))).to.equal(
      'MSP_INVALID_POLICY: unknown rule 7 of an implicit meta policy',
    )
    const all = { subPolicy: 'Readers', rule: common.ImplicitMetaPolicy_Rule.ALL }
    expect(implicitMetaPolicy(all, [undefined, undefined, undefined]).refusal([])).to.equal(
      '0 sub-policies "Readers" were satisfied, 3 are required',
    )
  })
})
