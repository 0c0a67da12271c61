/** What a person can do when the clock of this machine is wrong. */
export const clockCure =
  'set the clock of this machine: validators refuse what is signed at another time than theirs'

/** What a person can do about errors of the other packages, which name no cure themselves, by code. */
const byCode: Readonly<Record<string, string>> = {
  CLIENT_NO_NETWORK: 'start one with `heddle network up`, or name its folder with --dir',
  CLIENT_INVALID_DESCRIPTOR: 'remove the file; `heddle network up` writes it again',
  CLIENT_WRONG_CERTIFICATE:
    'put a valid certificate of the client and its key into the folder that is named',
  CLIENT_WRONG_CLOCK: clockCure,
  CLIENT_UNAVAILABLE: 'look at its log, or at `heddle network status`',
  CLIENT_FORBIDDEN:
    'check that the client in network.json is a member of the channel, and its clock',
  CLIENT_NO_AGREEMENT: 'see `heddle network status`; start the network with `heddle network up`',
  CLIENT_BLOCK_ALTERED:
    'take it from another validator: for your own ledger, move its folder `ledger` (not `journal`) away',
  CLIENT_TOO_FEW_ANSWERS: 'start the network with `heddle network up`',
  CLIENT_REFUSED: 'see the reason, and the log of the validator that is named',
  CLIENT_OUTCOME_UNKNOWN: 'see `heddle network status`; then submit the same bytes again',
  CLIENT_BUSY: 'wait until some have an outcome',
  CLIENT_CLOSED: 'connect again',
  CLIENT_UNKNOWN_RULES: 'install a version of heddle that knows the rules that are named',
  LEDGER_CORRUPT:
    'stop the validator, move its folder `ledger` (not `journal`) away, and start it: it fetches its blocks from the others; put no older copy there',
  LEDGER_LOCKED: 'stop that process, or give each validator its own peer.fileSystemPath',
  LEDGER_DISK_FULL: 'free some space and start again: what was acknowledged is kept',
  DELIVER_UNREACHABLE: 'see `heddle network status`; start the network with `heddle network up`',
  DELIVER_STATUS: 'see `heddle network status`, and the log of the validator that is named',
  DELIVER_SIGNER_NOT_VALID:
    'have its authority renew the certificate that is named, for the same key',
  PBFT_STATE_DIVERGED:
    'run the same version on all validators; otherwise move its folder `ledger` (not `journal`) away to fetch it anew',
  PBFT_JOURNAL_FAILED: 'see the disk, and the reason above; then start again',
  PBFT_EXECUTION_FAILED: 'see the disk, and the reason above; then start again',
  PBFT_MALFORMED:
    'move the folder `journal` away and start again: the validator votes when the others have gone on',
}

/** The same by the beginning of the code; of the others only `heddle` itself can be the reason. */
const byPackage: readonly (readonly [string, string])[] = [
  ['LEDGER_', 'look at the file and the disk that are named, then start again'],
  ['MSP_', 'check the MSP folders: certificates, keys, authorities and config.yaml'],
  ['CHANNEL_', 'take the genesis block that the other validators have'],
  ['IDENTITY_', 'check the own certificate, and those of the others'],
  ['DELIVER_', 'ask other validators, and see the log of the one that is named'],
  ['COMM_', 'check the addresses and the certificates of both sides'],
  ['LISTENER_', 'use one of the versions of Node that are named'],
  ['ORDERER_', 'see `heddle network status`, and the log of the validator'],
  ['PBFT_', 'see `heddle network status`, and the log of the validator; then try again'],
]

const options = /_INVALID_OPTIONS$/

/** What a person can do about an error with this code; undefined for codes that it says nothing of. */
export function cureOfCode(code: string): string | undefined {
  if (options.test(code)) return 'correct the setting or the option that is named'
  return byCode[code] ?? byPackage.find(([prefix]) => code.startsWith(prefix))?.[1]
}
