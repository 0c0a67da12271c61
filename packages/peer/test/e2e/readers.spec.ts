import { expect } from 'chai'
import { eventually } from '../support/eventually.ts'
import { Sandbox, recordLines, run } from '../support/heddle.ts'
import type { Heddle } from '../support/heddle.ts'

describe('whoever reads what heddle prints', function () {
  this.timeout(120_000)
  const sandbox = new Sandbox()
  const dir = (): string[] => ['--dir', sandbox.path('net')]
  let up: Heddle

  before(async () => {
    await sandbox.open()
    const input = await sandbox.file('input.ndjson', recordLines('first', 40))
    up = sandbox.start(
      ['network', 'up', '--json', '--batch-size', '10', '--input', input].concat(dir()),
    )
    await up.until((heddle) => heddle.find('summary') !== undefined)
  })
  after(async () => {
    try {
      await run(['network', 'stop', ...dir()])
      expect(await up.ended).to.equal(0)
    } finally {
      await sandbox.close()
    }
  })

  it('gets every line, though it begins to read when the work is done', async () => {
    const count = 1000
    const input = recordLines('slow', count)
    const submit = sandbox.start(['submit', '--json', ...dir()], { input })
    submit.child.stdout?.pause()
    const last = (JSON.parse(input.trim().split('\n').at(-1)!) as { id: string }).id
    await eventually('the last line is executed', async () => {
      const { status } = await run(['query', 'records', last, ...dir()])
      return status === 0
    })
    submit.child.stdout?.resume()
    expect(await submit.ended, submit.stderr).to.equal(0)
    expect(submit.lines).to.have.length(count)
  })

  it('may stop reading: the command ends without a complaint', async () => {
    const blocks = sandbox.start(['blocks', '--json', '--follow', ...dir()])
    await blocks.until(({ lines }) => lines.length > 0)
    blocks.child.stdout?.destroy()
    const { status } = await run(['submit', ...dir()], { input: recordLines('more', 20) })
    expect(status).to.equal(0)
    expect(await blocks.ended).to.equal(0)
    expect(blocks.stderr).to.equal('')
  })
})
