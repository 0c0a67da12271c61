import { expect } from 'chai'
import fc from 'fast-check'
import { sentenceOf } from '@heddle/client'
import { heddle } from '@heddle/proto'
import { PeerError } from '../../src/errors.ts'
import { lineCall } from '../../src/network/line-transaction.ts'
import { accounts, decodeBalance, encodeBalance } from '../../src/rules/rules-2/accounts.ts'
import { accept, reject } from '../../src/rules/rules-2/contract.ts'
import { applyContract, maxWrites, runContract } from '../../src/rules/rules-2/contracts.ts'
import { cut } from '../../src/rules/rules-2/detail.ts'
import { contractOf } from '../../src/rules/rules-2/lines.ts'
import { maxRecordIdBytes, records } from '../../src/rules/rules-2/records.ts'
import type { Outcome } from '../../src/rules/rules-2/contract.ts'
import type { StateView, StateWrite } from '../../src/rules/state-view.ts'

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

/** The kind: what a contract gives back is not what the state can hold, or it gives nothing back. */
describe('a contract that fails', () => {
  const write = (change: Partial<StateWrite> = {}): StateWrite => ({
    ...{ namespace: 'test', key: 'k', value: Buffer.from('v') },
    ...change,
  })
  const outcomeOf = (apply: () => Outcome): Outcome =>
    runContract({ name: 'test', apply }, new Uint8Array(), new MapState())

  it('is rejected with a code when it throws anything', () => {
    for (const thrown of [
      new TypeError('x'),
      new RangeError('Maximum call stack'),
      'text',
      undefined,
    ])
      expect(
        outcomeOf(() => {
          throw thrown as Error
        }),
      ).to.deep.equal(reject(heddle.RejectionCode.CONTRACT_FAILED))
  })

  it('is rejected with a code when it writes what the state cannot hold, or what is not its own', () => {
    const unfit = [
      write({ key: '' }),
      write({ key: '\ud800' }),
      write({ key: 'k'.repeat(1025) }),
      write({ namespace: 'accounts' }),
      write({ namespace: 'rules' }),
    ]
    for (const each of unfit)
      expect(outcomeOf(() => accept(write(), each))).to.deep.equal(
        reject(heddle.RejectionCode.UNFIT_RESULT),
      )
    for (const value of ['text', 7, null, undefined] as unknown as (readonly StateWrite[])[])
      expect(outcomeOf(() => ({ accepted: true, writes: value }))).to.have.property(
        'accepted',
        false,
      )
    expect(outcomeOf(() => undefined as unknown as Outcome)).to.have.property('accepted', false)
  })

  it('may write as much as it may, and not one key more', () => {
    const writes = Array.from({ length: maxWrites + 1 }, (_, index) => write({ key: `k${index}` }))
    expect(outcomeOf(() => accept(...writes.slice(1))).accepted).to.equal(true)
    expect(outcomeOf(() => accept(...writes)).accepted).to.equal(false)
  })
})

describe('details of rejections', () => {
  it('are cut between characters', () => {
    for (const [text, bytes] of [
      ['a'.repeat(64), 64],
      ['a'.repeat(65), 64],
      [`${'a'.repeat(63)}ä`, 63],
      [`${'a'.repeat(62)}😀`, 62],
      [`${'a'.repeat(60)}😀b`, 64],
      ['😀'.repeat(40), 64],
    ] as const) {
      const detail = cut(text)
      expect(detail, text).to.have.length(bytes)
      expect(text.startsWith(Buffer.from(detail).toString()), text).to.equal(true)
    }
  })

  it('do nothing to a terminal', () => {
    const sentence = sentenceOf(
      reject(heddle.RejectionCode.NO_SUCH_ACCOUNT, Buffer.from('\u001b[2J\u0007')).reason,
    )
    expect(sentence).to.equal('no such account: \\u001b[2J\\u0007')
  })

  it('have a sentence for each code, and the number of a code that is not known yet', () => {
    const codes = Object.values(heddle.RejectionCode).map(Number).filter(Boolean)
    for (const code of codes)
      expect(sentenceOf({ code, details: [] }), `${code}`).to.not.match(/^rejected with code/)
    expect(sentenceOf({ code: 9999, details: [] })).to.equal('rejected with code 9999')
  })
})

describe('lines and contracts', () => {
  it('refuses a line that no validator would ever accept', () => {
    const cases: [string, RegExp][] = [
      ['{"id":"lone\\ud800"}', /^id holds half of a surrogate pair$/],
      [`{"id":1.${'0'.repeat(1100)}1}`, /^id is longer than 512 bytes$/],
      ['{"from":"alice","to":"\\ud800x","amount":1}', /^to holds half of a surrogate pair$/],
      ['{"from":"alice","to":"bob","amount":-1}', /^amount -1 is negative$/],
      ['{bad}', /^not JSON from here on: bad}$/],
    ]
    for (const [line, problem] of cases)
      expect(() => lineCall(line), line).to.throw(PeerError, problem)
    expect(lineCall('{"from":"nobody","to":"bob","amount":1}').contract).to.equal('accounts')
  })

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
