import { systemClock } from '@heddle/events'
import { Command } from 'commander'
import { loadConfig } from '../config/load.ts'
import { peerConfigCommand } from './peer-config.ts'
import { createLogging } from '../logging/logger.ts'
import { logProcess, mendOwnLog } from '../logging/process-log.ts'
import { StateDiverged } from '../engine/state-diverged.ts'
import { readMaterial } from '../node/material.ts'
import { discardState } from '../node/rebuilt-state.ts'
import { ledgerIn } from '../node/storage.ts'
import { Validator } from '../node/validator.ts'
import { createMetrics } from '../operations/metrics.ts'
import { readVersion } from '../package-root.ts'
import { exitCodes } from '../exit-status.ts'
import { filesNeeded, requireOpenFiles } from '../open-files.ts'
import type { CompositionDeps } from '../node/composition-deps.ts'

interface StartOptions {
  readonly config: string
  readonly acceptLostBlocks?: true
  readonly attached?: true
}

/** Longest time that stopping may take before the process ends anyway. */
const stopTimeoutMs = 8000

/** Calls `stop` on SIGTERM, SIGINT and, when attached, at the end of standard input. */
function onEnd(attached: boolean, stop: () => void): void {
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  if (!attached) return
  process.stdin.on('error', stop)
  process.stdin.on('end', stop)
  process.stdin.on('close', stop)
  process.stdin.resume()
}

/** Nothing of what was acknowledged is lost: that is on the disk. */
function tooSlow(name: string): void {
  process.stderr.write(
    `heddle: ${name} did not stop within ${stopTimeoutMs / 1000} s and is ended now\n` +
      `  exit status ${exitCodes.internal}\n`,
  )
  process.exit(exitCodes.internal)
}

/** A validator, and the next one when its state was not that of the others and was discarded. */
async function runValidator(
  deps: Omit<CompositionDeps, 'metrics'>,
  onStart: (validator: Validator) => void,
): Promise<void> {
  for (;;) {
    // A registry takes each metric once.
    const validator = new Validator({ ...deps, metrics: createMetrics(true) })
    onStart(validator)
    try {
      await validator.start()
      const reason = await validator.closed
      if (reason === undefined) return
      throw reason
    } catch (error) {
      if (!(error instanceof StateDiverged)) throw error
      await discardState(ledgerIn(deps.config['peer.fileSystemPath']), error)
      const { block } = error
      const logger = deps.logging.logger.child('ledger.engine')
      logger.error('state diverged: it is set aside and rebuilt from the blocks', { block }, error)
    }
  }
}

async function start({ config: file, attached, ...options }: StartOptions): Promise<void> {
  const config = await loadConfig(file, process.env)
  if (attached !== true) mendOwnLog()
  const logging = createLogging(config['logging.spec'], { peer: config['peer.id'] })
  logProcess(logging.logger.child('process'), config['peer.id'])
  const { length } = config.validators
  requireOpenFiles(filesNeeded(length), `a validator in a network of ${length}`)
  const material = await readMaterial(config, logging.logger.child('msp'))
  let running: Validator | undefined
  let stopping = false
  onEnd(attached === true, () => {
    if (stopping) return
    stopping = true
    setTimeout(() => tooSlow(config['peer.id']), stopTimeoutMs).unref()
    void running?.stop()
  })
  const acceptLostBlocks = options.acceptLostBlocks === true
  const version = readVersion()
  await runValidator(
    { config, material, clock: systemClock, logging, version, acceptLostBlocks },
    (validator) => {
      running = validator
      if (stopping) void validator.stop()
    },
  )
}

/** `heddle peer`. */
export function peerCommand(): Command {
  const command = new Command('peer').description('one validator')
  command
    .command('start')
    .description('run a validator until SIGTERM or SIGINT')
    .requiredOption('--config <file>', 'its configuration; CORE_... variables override it')
    .option(
      '--accept-lost-blocks',
      'after all or most validators were set back to older copies: go on from the most recent one; see the operations guide',
    )
    .option('--attached', 'also stop when standard input ends')
    .addHelpText(
      'after',
      `
Examples:
  heddle peer start --config .heddle/validators/validator0/peer.yaml
  CORE_OPERATIONS_LISTENADDRESS=127.0.0.1:9443 heddle peer start --config peer.yaml`,
    )
    .action(start)
  return command.addCommand(peerConfigCommand())
}
