import { create, decode, encode, heddle } from '@heddle/proto'
import {
  accountsContract,
  encodeBalance,
  maxAccountNameBytes,
  readAmount,
} from '../contracts/accounts.ts'
import { jsonMembers } from '../contracts/json-members.ts'
import { PeerError, messageOf } from '../errors.ts'
import { consensusMetadataOf } from './channel-config.ts'
import type { common } from '@heddle/proto'
import type { StateWrite } from '../contracts/contract.ts'

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
  let members
  try {
    members = jsonMembers(source)
  } catch (error) {
    return refuse(file, messageOf(error))
  }
  if (members.size > maxGenesisAccounts) refuse(file, `more than ${maxGenesisAccounts} accounts`)
  const accounts = new Map<string, bigint>()
  for (const [name, member] of members) {
    const amount = readAmount(member.source)
    if (typeof amount === 'string') refuse(file, `account ${JSON.stringify(name)}: ${amount}`)
    if (name === '' || Buffer.byteLength(name) > maxAccountNameBytes) {
      refuse(file, `account name ${JSON.stringify(name.slice(0, 40))} is empty or too long`)
    }
    accounts.set(name, amount)
  }
  return accounts
}

/** The metadata of the consensus type in the genesis block: what the state begins with. */
export function encodeGenesisState(accounts: ReadonlyMap<string, bigint>): Uint8Array {
  const message = create(heddle.GenesisStateSchema, {
    accounts: [...accounts].map(([name, balance]) => ({ name, balance: balance.toString() })),
  })
  return encode(heddle.GenesisStateSchema, message)
}

/** The writes of the genesis block. */
export function genesisWrites(genesis: common.Block): StateWrite[] {
  const { accounts } = decode(heddle.GenesisStateSchema, consensusMetadataOf(genesis))
  return accounts.map(({ name, balance }) => ({
    namespace: accountsContract,
    key: name,
    value: encodeBalance(BigInt(balance)),
  }))
}
