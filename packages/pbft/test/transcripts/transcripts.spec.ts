import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expect } from 'chai'
import { runTranscript } from '../support/transcript.ts'

/** `TRANSCRIPTS=write` writes what the cores do now into the files: what changed is then the diff. */
const isWriting = process.env['TRANSCRIPTS'] === 'write'

const folder = new URL('./', import.meta.url)
const names = readdirSync(folder).filter((name) => name.endsWith('.txt'))

describe('Transcripts: events in, effects out', () => {
  for (const name of names)
    it(`of ${name.replace('.txt', '').replaceAll('-', ' ')} are as they were reviewed`, () => {
      const file = new URL(name, folder)
      const reviewed = readFileSync(file, 'utf8')
      const now = runTranscript(reviewed)
      if (isWriting) writeFileSync(file, now)
      else expect(now, `${name}; if this is meant: TRANSCRIPTS=write`).to.equal(reviewed)
    })

  it('tell of a normal case, a view change, a state transfer and a restart', () => {
    const expected = ['normal-case', 'restart', 'state-transfer', 'view-change']
    expect(names.sort()).to.deep.equal(expected.map((name) => `${name}.txt`))
  })

  it('notice a line that was changed, left out or added', () => {
    const text = runTranscript('> start 0\n> show 0\n')
    expect(runTranscript(text)).to.equal(text)
    for (const wrong of [
      text.replace('view=0', 'view=1'),
      text.replace(/\n {2}0 view.*/, ''),
      text.replace('> show 0\n', '> show 0\n  and more\n'),
    ]) {
      expect(wrong).not.to.equal(text)
      expect(runTranscript(wrong)).to.equal(text)
    }
  })
})
