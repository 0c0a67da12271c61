import { expect } from 'chai'
import { spawnSync } from 'node:child_process'
import { placesOf } from '../../src/cli/completion/places.ts'
import { scripts } from '../../src/cli/completion/scripts.ts'
import { createProgram } from '../../src/cli/program.ts'
import type { Command } from 'commander'

/** Every command of the program, with the names that lead to it. */
function walk(command: Command, path: string[] = []): [string[], Command][] {
  return [
    [path, command],
    ...command.commands.flatMap((each) => walk(each, [...path, each.name()])),
  ]
}

const program = createProgram()
const all = walk(program)

/** The flags of a command, `--help` too, which commander adds itself. */
function flagsOf(command: Command): string[] {
  const own = command.options.flatMap(({ short, long }) => [short, long])
  return ['-h', '--help', ...own.filter((flag) => flag !== undefined)].sort()
}

/** The lines of a script that offer something behind the commands of a place. */
function partOf(text: string, place: string, shell: keyof typeof scripts): string[] {
  if (shell === 'fish')
    return text.split('\n').filter((line) => line.includes(`__heddle_at \\'${place}\\'`))
  const begins = { bash: `    '${place}') all=`, zsh: `    '${place}') names=` }[shell]
  return (text.split(begins)[1]?.split(';;')[0] ?? '').split('\n')
}

/** Whether a line offers a word. */
function stands(word: string, line: string, shell: keyof typeof scripts): boolean {
  if (shell === 'bash') return line.split(/[ ']/).includes(word)
  if (shell === 'zsh') return line.includes(`'${word}:`)
  const option = word.startsWith('--') ? `-l ${word.slice(2)}` : `-s ${word.slice(1)}`
  return ` ${line} `.includes(word.startsWith('-') ? ` ${option} ` : ` -a '${word}' `)
}

/** What bash offers behind these words, of which the last is being typed. */
function offered(...words: string[]): string[] {
  const typed = ['heddle', ...words].map((word) => `'${word}'`).join(' ')
  const ask = `COMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _heddle; printf '%s\\n' "\${COMPREPLY[@]}"`
  const script = `${scripts.bash(placesOf(program))}\n${ask}`
  const { stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' })
  expect(stderr).to.equal('')
  return stdout.split('\n').filter((word) => word !== '')
}

describe('heddle completion', () => {
  it('knows every command and every option where it belongs', () => {
    const places = placesOf(program)
    const found = places.map(({ path, options }) => [
      path.join(' '),
      options.flatMap(({ flags }) => flags).sort(),
    ])
    const there = all.map(([path, command]) => [path.join(' '), flagsOf(command)])
    expect(found).to.deep.equal(there)
    expect(there).to.have.length.above(12)
  })

  for (const shell of ['bash', 'zsh', 'fish'] as const)
    it(`has every command and every option in the script of ${shell}`, () => {
      const text = scripts[shell](placesOf(program))
      for (const [path, command] of all) {
        const place = path.map((each) => ` ${each}`).join('')
        const words = command.commands.map((each) => each.name())
        const missing = [...words, ...flagsOf(command)].filter(
          (word) => !partOf(text, place, shell).some((each) => stands(word, each, shell)),
        )
        expect(missing, `behind heddle${place}`).to.deep.equal([])
        if (place !== '')
          expect(text, 'what leads there').to.match(new RegExp(`'${place}'(?:[ )]|$)`, 'm'))
      }
    })

  it('offers in bash the commands and options of the place, and those that fit', () => {
    const names = program.commands.map((each) => each.name())
    expect(offered('')).to.include.members([...names, 'help', '--version'])
    expect(offered('network', '')).to.include.members(['up', 'status', 'stop', '--help'])
    for (const [path, command] of all)
      expect(offered(...path, '-'), path.join(' ')).to.have.members(flagsOf(command))
    expect(offered('network', 'up', '--exit', '--ba')).to.have.members([
      '--base-port',
      '--batch-size',
      '--batch-timeout',
    ])
    expect(offered('completion', '')).to.include.members(['bash', 'zsh', 'fish'])
  })

  it('leaves the value of an option to bash, which offers files', () => {
    expect(offered('doctor', '--config', '')).to.deep.equal([])
    expect(offered('doctor', '--json', '')).to.include('--config')
    expect(offered('network', 'up', '--dir', 'status', '--ex')).to.deep.equal(['--exit'])
  })
})
