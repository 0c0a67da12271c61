import { nameOf } from './places.ts'
import type { Place } from './places.ts'

/** Makes a completion script for a shell. */
type Script = (places: readonly Place[]) => string

/** As bash and zsh quote a text. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}

/** Names of all places but the first: what moves from one place to the next. */
function moves(places: readonly Place[], between: string): string {
  return places
    .slice(1)
    .map(({ path }) => quoted(nameOf(path)))
    .join(between)
}

/** Options behind which a value stands, with the place where they are. */
function valued({ path, options }: Place): string[] {
  const flags = options.filter(({ takesValue }) => takesValue).flatMap((each) => each.flags)
  return flags.map((flag) => quoted(`${nameOf(path)} ${flag}`))
}

const bash: Script = (places) => {
  const cases = places.map(({ path, words, options }) => {
    const all = [...words.map(({ text }) => text), ...options.flatMap(({ flags }) => flags)]
    return `    ${quoted(nameOf(path))}) all=${quoted(all.join(' '))} ;;`
  })
  return `# heddle: put this into ~/.bashrc: eval "$(heddle completion bash)"
_heddle() {
  local place='' all='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$place \${COMP_WORDS[i]}" in
      ${moves(places, ' | ')}) place="$place \${COMP_WORDS[i]}" ;;
    esac
  done
  COMPREPLY=()
  # The value of an option: what bash does by default, with the names of files.
  case "$place \${COMP_WORDS[COMP_CWORD - 1]}" in
    ${places.flatMap(valued).join(' | ')}) return ;;
  esac
  case "$place" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$all" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _heddle heddle
`
}

const zsh: Script = (places) => {
  const described = (text: string, description: string): string =>
    quoted(`${text.replaceAll(':', String.raw`\:`)}:${description}`)
  const list = (each: readonly string[]): string => `(\n      ${each.join('\n      ')}\n    )`
  const cases = places.map(({ path, words, options }) => {
    const names = words.map(({ text, description }) => described(text, description))
    const flags = options.flatMap(({ flags: both, description }) =>
      both.map((each) => described(each, description)),
    )
    return `    ${quoted(nameOf(path))}) names=${list(names)} flags=${list(flags)} ;;`
  })
  return `#compdef heddle
# heddle: put this into ~/.zshrc, behind compinit: eval "$(heddle completion zsh)"
_heddle() {
  local place='' word
  local -a names flags
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$place $word" in
      ${moves(places, ' | ')}) place="$place $word" ;;
    esac
  done
  case "$place \${words[CURRENT-1]}" in
    ${places.flatMap(valued).join(' | ')}) _files; return ;;
  esac
  case "$place" in
${cases.join('\n')}
  esac
  if (( $#names )); then _describe command names; else _files; fi
  _describe -o option flags
}
compdef _heddle heddle
`
}

const fish: Script = (places) => {
  const text = (each: string): string =>
    `'${each.replaceAll('\\', String.raw`\\`).replaceAll("'", String.raw`\'`)}'`
  const lines = places.flatMap(({ path, words, options }) => {
    const here = `complete -c heddle -n ${text(`__heddle_at ${text(nameOf(path))}`)}`
    const flag = (each: string): string =>
      each.startsWith('--') ? `-l ${each.slice(2)}` : `-s ${each.slice(1)}`
    return [
      ...(words.length > 0 ? [`${here} -f`] : []),
      ...words.map((each) => `${here} -a ${text(each.text)} -d ${text(each.description)}`),
      ...options.map(({ flags, description, takesValue }) =>
        [here, ...flags.map(flag), ...(takesValue ? ['-r'] : []), '-d', text(description)].join(
          ' ',
        ),
      ),
    ]
  })
  return `# heddle: put this into ~/.config/fish/config.fish: heddle completion fish | source
function __heddle_at
  set -l place ''
  for word in (commandline -opc)[2..-1]
    switch "$place $word"
      case ${moves(places, ' ')}
        set place "$place $word"
    end
  end
  test "$place" = "$argv[1]"
end
${lines.join('\n')}
`
}

/** The script for each shell. */
export const scripts = { bash, zsh, fish } as const satisfies Record<string, Script>
