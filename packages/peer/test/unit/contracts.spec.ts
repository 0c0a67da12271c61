import { expect } from 'chai'
import fc from 'fast-check'
import { accounts, decodeBalance, encodeBalance } from '../../src/rules/rules-2/accounts.ts'
import { applyContract } from '../../src/rules/rules-2/contracts.ts'
import { contractOf } from '../../src/rules/rules-2/lines.ts'
import { maxRecordIdBytes, records } from '../../src/rules/rules-2/records.ts'
import { sentenceOf } from '../../src/rules/sentences.ts'
import type { Outcome } from '../../src/rules/rules-2/contract.ts'
import type { StateView } from '../../src/rules/rules.ts'

class MapState implements StateView {
  readonly entries = new Map<string, Uint8Array>()

  get(namespace: string, key: string): Uint8Array | undefined {
    return this.entries.get(`${namespace}/${key}`)
  }

  apply(contract: string, input: string): Outcome {
    const outcome = applyContract(contract, Buffer.from(input), this)
    if (outcome.accepted) {
      for (const { namespace, key, value } of outcome.writes) {
        if (value !== undefined) this.entries.set(`${namespace}/${key}`, value)
      }
    }
    return outcome
  }

  balance(name: string): bigint | undefined {
    const value = this.get('accounts', name)
    return value && decodeBalance(value)
  }
}

function withAccounts(balances: Record<string, bigint>): MapState {
  const state = new MapState()
  for (const [name, balance] of Object.entries(balances)) {
    state.entries.set(`accounts/${name}`, encodeBalance(balance))
  }
  return state
}

const reasonOf = (outcome: Outcome): string =>
  outcome.accepted ? 'accepted' : sentenceOf(outcome.reason)

describe('the accounts contract', () => {
  it('moves whole units and creates a payee that does not exist', () => {
    const state = withAccounts({ a: 10n })
    expect(state.apply('accounts', '{"from":"a","to":"b","amount":4}').accepted).to.be.true
    expect([state.balance('a'), state.balance('b')]).to.deep.equal([6n, 4n])
  })

  it('pays out an account to the last unit and not beyond', () => {
    const state = withAccounts({ a: 5n })
    expect(reasonOf(state.apply('accounts', '{"from":"a","to":"b","amount":6}'))).to.equal(
      'overdraws a: balance 5, amount 6',
    )
    expect(state.apply('accounts', '{"from":"a","to":"b","amount":5}').accepted).to.be.true
    expect(state.balance('a')).to.equal(0n)
  })

  it('lets a transfer to oneself through when it is covered, and changes nothing', () => {
    const state = withAccounts({ a: 5n })
    expect(state.apply('accounts', '{"from":"a","to":"a","amount":5}')).to.deep.equal({
      accepted: true,
      writes: [],
    })
    expect(state.apply('accounts', '{"from":"a","to":"a","amount":6}').accepted).to.be.false
  })

  it('keeps every digit of amounts beyond 2^53', () => {
    const state = withAccounts({ a: 90071992547409931234n })
    state.apply('accounts', '{"from":"a","to":"b","amount":9007199254740993}')
    expect(state.balance('b')).to.equal(9007199254740993n)
  })

  it('rejects, with the reason, whatever is no transfer', () => {
    const state = withAccounts({ a: 5n })
    const cases: [string, RegExp][] = [
      ['{"from":"x","to":"b","amount":1}', /^no such account: x$/],
      ['{"from":"a","to":"b","amount":-1}', /^amount -1 is negative$/],
      ['{"from":"a","to":"b","amount":1.5}', /^amount 1\.5 is not a whole number$/],
      ['{"from":"a","to":"b","amount":1e2}', /is not a whole number/],
      ['{"from":"a","to":"b","amount":"1"}', /is not a whole number/],
      [`{"from":"a","to":"b","amount":${'9'.repeat(39)}}`, /more than 38 digits/],
      ['{"from":"a","to":"b","amount":1,"memo":"x"}', /^unknown field "memo"/],
      ['{"from":"a","to":"","amount":1}', /^to is not the name of an account$/],
      ['{"from":1,"to":"b","amount":1}', /^from is not the name of an account$/],
      [`{"from":"a","to":"${'x'.repeat(513)}","amount":1}`, /^to is longer than 512 bytes$/],
      ['{"from":"a","to":"b"}', /^amount is missing$/],
      ['{"from":"a","from":"a","to":"b","amount":1}', /names "from" twice/],
      ['[]', /not a JSON object/],
      ['nonsense', /^not JSON from here on: nonsense$/],
    ]
    for (const [input, reason] of cases) {
      expect(reasonOf(state.apply('accounts', input)), input).to.match(reason)
    }
    expect(state.balance('a')).to.equal(5n)
  })

  it('conserves the sum over all accounts, whatever is submitted', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd', 'e')
    const transfer = fc.record({ from: name, to: name, amount: fc.integer({ min: -5, max: 50 }) })
    fc.assert(
      fc.property(fc.array(transfer, { maxLength: 60 }), (transfers) => {
        const state = withAccounts({ a: 100n, b: 20n })
        for (const each of transfers) state.apply('accounts', JSON.stringify(each))
        const balances = [...state.entries.values()].map(decodeBalance)
        expect(balances.every((balance) => balance >= 0n)).to.be.true
        expect(balances.reduce((sum, balance) => sum + balance, 0n)).to.equal(120n)
      }),
      { seed: 3, numRuns: 200 },
    )
  })
})

describe('the records contract', () => {
  it('keeps an object byte for byte under its id', () => {
    const state = new MapState()
    const input = '{ "id": "x", "n": 1.50 }'
    expect(state.apply('records', input).accepted).to.be.true
    expect(Buffer.from(state.get('records', 'x') ?? []).toString()).to.equal(input)
  })

  it('takes the same content again and rejects other content under the same id', () => {
    const state = new MapState()
    state.apply('records', '{"id":7,"a":1}')
    expect(state.apply('records', '{"id":7,"a":1}')).to.deep.equal({ accepted: true, writes: [] })
    expect(reasonOf(state.apply('records', '{"id":7,"a":2}'))).to.equal(
      'record 7 exists with other content',
    )
  })

  it('keeps an object without an id under the digest of its content', () => {
    const outcome = records.apply(Buffer.from('{"a":1}'), new MapState())
    expect(outcome.accepted && outcome.writes[0]?.key).to.equal(
      '015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862',
    )
  })

  it('writes long numbers as ids without rounding them', () => {
    const outcome = records.apply(Buffer.from('{"id":12345678901234567890123}'), new MapState())
    expect(outcome.accepted && outcome.writes[0]?.key).to.equal('12345678901234567890123')
  })

  it('takes an id of the longest length and rejects one byte more', () => {
    const state = new MapState()
    const id = (length: number): string => JSON.stringify({ id: 'x'.repeat(length) })
    expect(state.apply('records', id(maxRecordIdBytes)).accepted).to.be.true
    expect(reasonOf(state.apply('records', id(maxRecordIdBytes + 1)))).to.match(/longer than 512/)
  })
})

describe('lines and contracts', () => {
  it('sends what has from, to and amount to accounts and all else to records', () => {
    expect(contractOf('{"from":"a","to":"b","amount":1}')).to.equal('accounts')
    expect(contractOf('{"from":"a","to":"b"}')).to.equal('records')
    expect(contractOf('{}')).to.equal('records')
  })

  it('rejects an unknown contract', () => {
    expect(reasonOf(applyContract('nope', Buffer.from('{}'), new MapState()))).to.match(
      /no such contract/,
    )
  })

  it('never throws out of a contract', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const contract of [accounts, records]) contract.apply(bytes, new MapState())
      }),
      { seed: 7, numRuns: 300 },
    )
  })
})
