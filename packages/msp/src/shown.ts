/** Characters of a foreign text that a message shows at most, as escaped and without the quotes. */
export const maxShownCharacters = 256
/** Texts of a foreign list that a message shows at most. */
export const maxShownTexts = 8

/** Control, format and unpaired surrogate characters, other line ends, and what JSON escapes. */
const toEscape = /[\p{C}\u2028\u2029"\\]/u

function escaped(character: string): string {
  if (!toEscape.test(character)) return character
  const json = JSON.stringify(character).slice(1, -1)
  if (json !== character) return json
  return Array.from({ length: character.length }, (_, at) => {
    return `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`
  }).join('')
}

/**
 * Text that somebody else wrote, for a message: in quotes, without control characters, cut off at
 * {@link maxShownCharacters}. Whoever may send an identity must not fill a log with it.
 */
export function shown(text: string): string {
  let said = ''
  for (const character of text) {
    const next = escaped(character)
    if (said.length + next.length > maxShownCharacters) return `"${said}…"`
    said += next
  }
  return `"${said}"`
}

/** As {@link shown}, for the first {@link maxShownTexts} of a list, and how many more there are. */
export function shownAll(texts: readonly string[]): string {
  const said = texts.slice(0, maxShownTexts).map(shown).join(', ')
  const more = texts.length - maxShownTexts
  return more > 0 ? `${said} and ${more} more` : said
}
