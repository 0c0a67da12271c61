import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, descriptorFile, readDescriptor } from '@heddle/client'
import { isCodedError } from '@heddle/interface'
import { naming } from '../system-error.ts'
import type { Network, NetworkDescriptor } from '@heddle/client'

/** Writes the descriptor, at once: a reader gets the old one or the new one. */
export async function writeDescriptor(dir: string, descriptor: NetworkDescriptor): Promise<void> {
  const path = join(dir, descriptorFile)
  await naming(path, writeFile(`${path}.new`, `${JSON.stringify(descriptor, null, 2)}\n`))
  await rename(`${path}.new`, path)
}

/** The descriptor in a folder; what the operating system refuses names the file. */
export function namedDescriptor(dir: string): Promise<NetworkDescriptor> {
  return naming(join(dir, descriptorFile), readDescriptor(dir))
}

/** The descriptor in a folder, or undefined when there is none. */
export async function findDescriptor(dir: string): Promise<NetworkDescriptor | undefined> {
  try {
    return await namedDescriptor(dir)
  } catch (error) {
    if (isCodedError(error, 'CLIENT_NO_NETWORK')) return undefined
    throw error
  }
}

/** A client of the network in a folder; what the operating system refuses names the file. */
export function connectTo(dir: string): Promise<Network> {
  return naming(join(dir, descriptorFile), connect({ folder: dir }))
}
