import { expect } from 'chai'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { LastWords, maxLastWords } from '../../src/network/last-words.ts'

async function wordsOf(...texts: readonly (string | Buffer)[]): Promise<string> {
  const stream = new PassThrough()
  const words = new LastWords(stream)
  for (const text of texts) stream.write(text)
  stream.end()
  await once(stream, 'end')
  return words.toString()
}

describe('LastWords', () => {
  const failure =
    'heddle: no room\n  try: free some space\n  code: LEDGER_DISK_FULL, exit status 74'

  it('are what heddle says of its failure, without what came before', async () => {
    expect(await wordsOf('(node:1) Warning: x\n', `${failure}\n`)).to.equal(failure)
    expect(await wordsOf(`heddle: a warning\n${failure}\n`)).to.equal(failure)
  })

  it('are found behind a library that does not end its lines', async () => {
    expect(await wordsOf('Write error: No space left', failure)).to.equal(failure)
  })

  it('are the last lines when Node itself ends the process', async () => {
    const lines = Array.from({ length: 40 }, (_, index) => `line ${index}`)
    expect(await wordsOf(lines.join('\n'))).to.equal(lines.slice(-12).join('\n'))
  })

  it(`are the last ${maxLastWords} characters, however much is said`, async () => {
    const words = await wordsOf('x'.repeat(maxLastWords), 'y'.repeat(maxLastWords - 1))
    expect(words).to.equal(`x${'y'.repeat(maxLastWords - 1)}`)
  })

  it('are whole characters, wherever the bytes were cut', async () => {
    const bytes = Buffer.from('heddle: é')
    expect(await wordsOf(bytes.subarray(0, -1), bytes.subarray(-1))).to.equal('heddle: é')
  })

  it('are empty when nothing was said, or nothing can be heard', async () => {
    expect(await wordsOf()).to.equal('')
    expect(new LastWords(null).toString()).to.equal('')
  })
})
