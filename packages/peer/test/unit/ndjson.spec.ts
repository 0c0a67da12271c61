import { expect } from 'chai'
import fc from 'fast-check'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isCodedError } from '@heddle/interface'
import { countLines, inputLines, openInput, readBytes } from '../../src/input/ndjson.ts'
import type { InputLine } from '../../src/input/ndjson.ts'

async function* chunks(parts: readonly (string | Uint8Array)[]): AsyncGenerator<Buffer> {
  for (const part of parts) {
    await Promise.resolve()
    yield Buffer.from(part)
  }
}

async function read(
  parts: readonly (string | Uint8Array)[],
  maxBytes?: number,
): Promise<InputLine[]> {
  const lines: InputLine[] = []
  for await (const line of inputLines(chunks(parts), maxBytes)) lines.push(line)
  return lines
}

describe('reading lines', () => {
  it('numbers lines, skips blank ones, and takes ends of any kind', async () => {
    expect(await read(['\uFEFF{"a":1}\r\n\n  \n{"b":', '2}'])).to.deep.equal([
      { number: 1, text: '{"a":1}' },
      { number: 4, text: '{"b":2}' },
    ])
  })

  it('gives the same last line with and without an end', async () => {
    const line = { number: 2, text: 'b' }
    for (const end of ['', '\n', '\r\n', '\n\n']) {
      expect((await read([`a\nb${end}`])).at(-1), JSON.stringify(end)).to.deep.equal(line)
    }
    expect(await read([])).to.deep.equal([])
  })

  it('gives the same lines however the bytes are cut', async () => {
    const text = '{"a":"ä€😀"}\n\n{"b":2}\n{"c":3}'
    const bytes = Buffer.from(text)
    const whole = await read([bytes])
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 30 }),
        async (sizes) => {
          const parts: Buffer[] = []
          let at = 0
          for (const size of sizes) parts.push(bytes.subarray(at, (at += size)))
          expect(await read([...parts, bytes.subarray(at)])).to.deep.equal(whole)
        },
      ),
      { seed: 9, numRuns: 50 },
    )
  })

  it('takes a line of the longest length, and reports a longer one and goes on', async () => {
    expect(await read(['12345\n123456\n1\n'], 5)).to.deep.equal([
      { number: 1, text: '12345' },
      { number: 2, problem: 'longer than 5 bytes' },
      { number: 3, text: '1' },
    ])
    expect(await read(['1234', '56', '7\n', '12', '345'], 5)).to.deep.equal([
      { number: 1, problem: 'longer than 5 bytes' },
      { number: 2, text: '12345' },
    ])
  })

  it('reports bytes that are no UTF-8 and goes on', async () => {
    expect(await read([new Uint8Array([0xff, 0x0a]), 'x'])).to.deep.equal([
      { number: 1, problem: 'not UTF-8' },
      { number: 2, text: 'x' },
    ])
  })

  it('names a file that is not there or is a folder', async () => {
    for (const path of ['/nowhere/at/all', tmpdir()]) {
      const error: unknown = await openInput(path).catch((reason: unknown) => reason)
      expect(isCodedError(error, 'PEER_FILE_MISSING'), path).to.be.true
    }
  })

  describe('of a named pipe', () => {
    let dir: string
    let path: string
    beforeEach(async () => {
      dir = await mkdtemp(join(tmpdir(), 'heddle-pipe-'))
      path = join(dir, 'pipe')
      execFileSync('mkfifo', [path])
    })
    afterEach(async () => {
      // Lets go whoever still waits in it.
      closeSync(openSync(path, constants.O_RDWR | constants.O_NONBLOCK))
      await rm(dir, { recursive: true })
    })

    it('ends at once when it is destroyed, though nobody has opened the other end', async () => {
      const source = await openInput(path)
      const reading = (async () => {
        for await (const line of inputLines(source)) expect.fail(`read ${line.text}`)
      })()
      setImmediate(() => source.destroy())
      expect(await reading.catch((error: unknown) => error)).to.be.an('error')
      expect(source.closed).to.equal(true)
    })

    it('takes the lines when somebody writes them, until that one closes it, and counts none', async () => {
      expect(await countLines(path)).to.equal(undefined)
      const source = await openInput(path)
      const numbers: number[] = []
      const reading = (async () => {
        for await (const line of inputLines(source)) numbers.push(line.number)
      })()
      const writer = await open(path, 'w')
      await writer.write('{"a":1}\n')
      await writer.write('{"b":2}')
      await writer.close()
      await reading
      expect(numbers).to.deep.equal([1, 2])
    })
  })

  it('counts the lines of a file', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'heddle-lines-'))
    try {
      const path = join(dir, 'lines')
      await writeFile(path, '{"a":1}\n\n \n{"b":2}\n{"c":3}')
      expect(await countLines(path)).to.equal(3)
      const [long, blank] = ['x'.repeat(readBytes), ' '.repeat(readBytes)]
      await writeFile(path, `${long}1\n${blank}\n${blank}2\r\n\r\n${long}${blank}\n`)
      expect(await countLines(path)).to.equal(3)
    } finally {
      await rm(dir, { recursive: true })
    }
  })
})
