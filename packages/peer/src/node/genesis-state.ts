import { sentenceOf } from '@heddle/client'
import { create, decode, encode, heddle } from '@heddle/proto'
import { isStateWrite } from '@heddle/ledger'
import { PeerError } from '../errors.ts'
import { rulesWrite } from '../rules/in-force.ts'
import {
  accountsContract,
  encodeBalance,
  nameProblem,
  readAmount,
} from '../rules/rules-2/accounts.ts'
import { isObject, readObject } from '../rules/rules-2/json-object.ts'
import { consensusMetadataOf } from './channel-config.ts'
import type { common } from '@heddle/proto'
import type { StateWrite } from '../rules/state-view.ts'

/** Most accounts that a genesis block may begin with. */
export const maxGenesisAccounts = 100_000

function refuse(file: string, what: string): never {
  throw new PeerError('PEER_INVALID_OPTION', `${file}: ${what}`, {
    cure: 'give a JSON object of account names with whole numbers, for example {"alice": 100}',
  })
}

/**
 * Reads the accounts to begin with: a JSON object, name to whole units.
 * @throws {PeerError} PEER_INVALID_OPTION naming the file and the account
 */
export function readGenesisAccounts(source: string, file: string): Map<string, bigint> {
  const members = readObject(source)
  if (!isObject(members)) return refuse(file, sentenceOf(members))
  if (members.size > maxGenesisAccounts) refuse(file, `more than ${maxGenesisAccounts} accounts`)
  const accounts = new Map<string, bigint>()
  for (const [name, member] of members) {
    const amount = readAmount(member.source)
    if (typeof amount !== 'bigint') {
      return refuse(file, `account ${member.name.slice(0, 40)}: ${sentenceOf(amount.reason)}`)
    }
    if (nameProblem(name) !== undefined) {
      refuse(file, `account name ${member.name.slice(0, 40)} is empty, too long or not text`)
    }
    accounts.set(name, amount)
  }
  return accounts
}

/** What the state of a network begins with. */
export interface GenesisState {
  readonly accounts: ReadonlyMap<string, bigint>
  /** Number of the rules by which the first blocks are executed. */
  readonly rules: number
}

/** The metadata of the consensus type in the genesis block: what the state begins with. */
export function encodeGenesisState({ accounts, rules }: GenesisState): Uint8Array {
  const message = create(heddle.GenesisStateSchema, {
    accounts: [...accounts].map(([name, balance]) => ({ name, balance: balance.toString() })),
    rules,
  })
  return encode(heddle.GenesisStateSchema, message)
}

function genesisAccount({ name, balance }: heddle.GenesisAccount): StateWrite {
  try {
    const value = encodeBalance(BigInt(balance))
    const write = { namespace: accountsContract, key: name, value }
    if (isStateWrite(write)) return write
  } catch {
    // The balance is no number.
  }
  throw new PeerError(
    'PEER_INVALID_CONFIG',
    `the genesis block has account ${JSON.stringify(name.slice(0, 40))} with balance ${JSON.stringify(balance.slice(0, 40))}`,
    { cure: 'take the genesis block that the other validators have' },
  )
}

/** The accounts of a genesis block, as it names them. */
export function genesisAccountsOf(genesis: common.Block): Map<string, bigint> {
  const { accounts } = decode(heddle.GenesisStateSchema, consensusMetadataOf(genesis))
  return new Map(accounts.map(({ name, balance }) => [name, BigInt(balance)]))
}

/**
 * The writes of the genesis block.
 * @throws {PeerError} PEER_INVALID_CONFIG for a block that is not one of our genesis blocks, or an account that the
 * state cannot hold
 */
export function genesisWrites(genesis: common.Block): StateWrite[] {
  return stateWrites(consensusMetadataOf(genesis))
}

/** The writes of an encoded {@link GenesisState}; throws as {@link genesisWrites}. */
export function stateWrites(genesisState: Uint8Array): StateWrite[] {
  const { accounts, rules } = decode(heddle.GenesisStateSchema, genesisState)
  const writes = accounts.map(genesisAccount)
  // A state that says nothing has rules 1 in force: so it was before they were numbered.
  return rules > 1 ? [...writes, rulesWrite(rules)] : writes
}
