import type { Command, Option } from 'commander'

/** A word that may be typed, and what it does. */
export interface Word {
  readonly text: string
  readonly description: string
}

/** An option of a command: each of its flags, and what may follow. */
export interface CompletedOption {
  readonly flags: readonly string[]
  readonly description: string
  /** Whether a value follows. */
  readonly takesValue: boolean
}

/** What may stand behind some commands. */
export interface Place {
  /** The commands before: `['network', 'up']`; empty behind `heddle`. */
  readonly path: readonly string[]
  /** Commands, or the values that an argument may have. */
  readonly words: readonly Word[]
  readonly options: readonly CompletedOption[]
}

function completed({ short, long, description, required, optional }: Option): CompletedOption {
  const flags = [short, long].filter((flag) => flag !== undefined)
  return { flags, description, takesValue: required || optional }
}

/** All places of a program, each before those behind it: what `--help` shows there. */
export function placesOf(command: Command, path: readonly string[] = []): Place[] {
  const help = command.createHelp()
  const commands = help.visibleCommands(command)
  const choices = command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices)
  const place = {
    path,
    words: [
      ...commands.map((each) => ({ text: each.name(), description: each.description() })),
      ...choices.map((text) => ({ text, description: '' })),
    ],
    options: help.visibleOptions(command).map(completed),
  }
  // `help` is made for the help alone, and takes the names of the others.
  const real = commands.filter((each) => command.commands.includes(each))
  return [place, ...real.flatMap((each) => placesOf(each, [...path, each.name()]))]
}

/** How scripts name a place: a blank before each command, so that nothing is the place behind `heddle`. */
export function nameOf(path: readonly string[]): string {
  return path.map((each) => ` ${each}`).join('')
}
