import { systemClock } from '@heddle/events'
import { Command } from 'commander'
import { loadConfig } from '../config/load.ts'
import { createLogging } from '../logging/logger.ts'
import { logProcess, mendOwnLog } from '../logging/process-log.ts'
import { readMaterial } from '../node/material.ts'
import { Validator } from '../node/validator.ts'
import { createMetrics } from '../operations/metrics.ts'
import { readVersion } from '../package-root.ts'
import { exitCodes } from '../exit-status.ts'
import { filesNeeded, requireOpenFiles } from '../open-files.ts'

interface StartOptions {
  readonly config: string
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
    `heddle: ${name} did not stop within ${stopTimeoutMs / 1000} s and ends all the same\n` +
      `  exit status ${exitCodes.internal}\n`,
  )
  process.exit(exitCodes.internal)
}

async function start({ config: file, attached }: StartOptions): Promise<void> {
  const config = await loadConfig(file, process.env)
  if (attached !== true) mendOwnLog()
  const logging = createLogging(config['logging.spec'], { peer: config['peer.id'] })
  logProcess(logging.logger.child('process'), config['peer.id'])
  const { length } = config.validators
  requireOpenFiles(filesNeeded(length), `a validator in a network of ${length}`)
  const material = await readMaterial(config, logging.logger.child('msp'))
  const validator = new Validator({
    config,
    material,
    clock: systemClock,
    logging,
    metrics: createMetrics(true),
    version: readVersion(),
  })
  let stopping = false
  onEnd(attached === true, () => {
    if (stopping) return
    stopping = true
    setTimeout(() => tooSlow(config['peer.id']), stopTimeoutMs).unref()
    void validator.stop()
  })
  await validator.start()
  const reason = await validator.closed
  if (reason !== undefined) throw reason
}

/** `heddle peer`. */
export function peerCommand(): Command {
  const command = new Command('peer').description('one validator')
  command
    .command('start')
    .description('run a validator until SIGTERM or SIGINT')
    .requiredOption('--config <file>', 'its configuration; CORE_... variables override it')
    .option('--attached', 'also stop when standard input ends')
    .addHelpText(
      'after',
      `
Examples:
  heddle peer start --config .heddle/validators/validator0/peer.yaml
  CORE_OPERATIONS_LISTENADDRESS=127.0.0.1:9443 heddle peer start --config peer.yaml`,
    )
    .action(start)
  return command
}
