'use strict'
const { mkdirSync, writeFileSync } = require('node:fs')
const { reporters } = require('mocha')

/** How long a suite may go on after its last test. */
const leakTimeoutMs = 30_000

/** Something keeps the process alive: a socket, timer or listener that a test left behind. */
function reportLeak() {
  process.stderr.write(`left behind: ${process.getActiveResourcesInfo().join(', ')}\n`)
  process.exit(1)
}

/** Mocha's spec reporter that also leaves the counts in `.results`, named as the script that ran, to be summed up. */
module.exports = class CountingReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options)
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats
      mkdirSync('.results', { recursive: true })
      const script = process.env.npm_lifecycle_event ?? 'test'
      writeFileSync(
        `.results/${script.replace(':', '-')}.json`,
        JSON.stringify({ passes, failures, pending }) + '\n',
      )
      setTimeout(reportLeak, leakTimeoutMs).unref()
    })
  }
}
