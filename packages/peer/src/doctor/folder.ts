import { access, constants } from 'node:fs/promises'
import { dirname } from 'node:path'
import { PeerError, systemCode } from '../errors.ts'
import { exitCodes } from '../exit-status.ts'
import { isOwned } from '../node/data-owner.ts'
import { lowSpaceReason } from '../node/disk-check.ts'
import { dataHolder, journalIn, ledgerIn, ownerOf, spaceOf } from '../node/storage.ts'
import { explainSystemError } from '../system-error.ts'
import { findings, ofCondition, ok } from './finding.ts'
import type { Material } from '../node/material.ts'
import type { Finding, Subject } from './finding.ts'

/** Whether a path is there. @throws {PeerError} when it is, and this user may not read and write in it */
async function isUsable(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK)
    return true
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw explainSystemError(error, path) ?? error
  }
}

/** The folder itself, or the one above it in which it would be made. */
async function nearest(dir: string): Promise<string> {
  if (dirname(dir) === dir || (await isUsable(dir))) return dir
  return nearest(dirname(dir))
}

/**
 * Whether the data folder of a validator can be read and written, and is its own.
 * @param material - undefined: it is not known whose it has to be
 */
export function folderFindings(
  about: string | undefined,
  dir: string,
  material: Material | undefined,
): Promise<readonly Finding[]> {
  const subject: Subject = { check: 'folder', about }
  return findings(subject, async () => {
    const place = await nearest(dir)
    if (place !== dir) return [ok(subject, `${dir} is not there yet, and can be made`)]
    for (const inside of [ledgerIn(dir), journalIn(dir)]) await isUsable(inside)
    const isIts = material !== undefined && (await isOwned(dir, ownerIn(material)))
    const holder = await dataHolder(dir)
    const whose = isIts ? 'holds the data of this validator' : 'can be written'
    const open = holder === undefined ? 'no process has it open' : `process ${holder} has it open`
    return [ok(subject, `${dir} ${whose}; ${open}`)]
  })
}

function ownerIn({ channel, replica, signer, genesis }: Material) {
  const consenter = { id: channel.consenters[replica]?.id ?? 0, mspId: signer.mspId }
  return ownerOf({ channelId: channel.channelId, consenter, genesis })
}

/** What is free where a data folder is, or would be. */
export function diskFindings(about: string | undefined, dir: string): Promise<readonly Finding[]> {
  const subject: Subject = { check: 'disk', about }
  return findings(subject, async () => {
    const space = await spaceOf(await nearest(dir))
    if (space.freeBytes === 0) {
      const cure = 'free some space'
      throw new PeerError('PEER_DISK_FULL', `no space is free for ${dir}`, { cure })
    }
    const low = lowSpaceReason(space)
    if (low !== undefined)
      return [ofCondition(subject, { name: 'disk-nearly-full', what: low, status: exitCodes.disk })]
    return [ok(subject, `${Math.floor(space.freeBytes / 1024 ** 2)} MiB are free for ${dir}`)]
  })
}
