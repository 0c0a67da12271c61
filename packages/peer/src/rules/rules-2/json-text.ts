/*
 * JSON (RFC 8259) read by our own rules instead of `JSON.parse`: whether a text is JSON, and where it
 * is not, must not depend on the engine. It walks without recursion, so that no nesting is too deep.
 *
 * Each function takes the index at which something starts and returns the index after it; or, where
 * the text is not JSON, the complement (`~`) of the index of the first character that does not belong.
 */

const [quote, comma, colon, backslash] = [0x22, 0x2c, 0x3a, 0x5c]
const [bracket, bracketEnd, brace, braceEnd] = [0x5b, 0x5d, 0x7b, 0x7d]
const [minus, point, zero, nine] = [0x2d, 0x2e, 0x30, 0x39]
const [space, tab, lineFeed, carriageReturn] = [0x20, 0x09, 0x0a, 0x0d]

const words = ['true', 'false', 'null']
const hexDigits = /^[0-9a-fA-F]{4}$/

// Beyond the end of a text its character codes are NaN, which equals nothing.

/** The index of the first character from `start` on that is not white space. */
export function skip(text: string, start: number): number {
  let at = start
  for (;;) {
    const code = text.charCodeAt(at)
    if (code !== space && code !== lineFeed && code !== tab && code !== carriageReturn) return at
    at++
  }
}

function endOfEscape(text: string, start: number): number {
  const kind = text.charAt(start + 1)
  if (kind === 'u') return hexDigits.test(text.slice(start + 2, start + 6)) ? start + 6 : ~start
  return kind !== '' && '"\\/bfnrt'.includes(kind) ? start + 2 : ~start
}

export function endOfString(text: string, start: number): number {
  let at = start + 1
  while (at >= 0) {
    const code = text.charCodeAt(at)
    if (code === quote) return at + 1
    if (code === backslash) at = endOfEscape(text, at)
    else if (code >= space) at++
    else return ~at
  }
  return at
}

/** The index after one digit or more. */
function endOfDigits(text: string, start: number): number {
  let at = start
  for (;;) {
    const code = text.charCodeAt(at)
    if (!(code >= zero && code <= nine)) return at === start ? ~at : at
    at++
  }
}

function endOfNumber(text: string, start: number): number {
  const first = text.charCodeAt(start) === minus ? start + 1 : start
  let at = text.charCodeAt(first) === zero ? first + 1 : endOfDigits(text, first)
  if (at >= 0 && text.charCodeAt(at) === point) at = endOfDigits(text, at + 1)
  if (at >= 0 && 'eE'.includes(text.charAt(at) || ' ')) {
    at = endOfDigits(text, '+-'.includes(text.charAt(at + 1) || ' ') ? at + 2 : at + 1)
  }
  return at
}

/** The index after a string, a number, `true`, `false` or `null`. */
function endOfScalar(text: string, start: number): number {
  const code = text.charCodeAt(start)
  if (code === quote) return endOfString(text, start)
  if (code === minus || (code >= zero && code <= nine)) return endOfNumber(text, start)
  const word = words.find((each) => text.startsWith(each, start))
  return word === undefined ? ~start : start + word.length
}

/** The index at which the value of the member starts whose name ends at `nameEnd`. */
export function startOfValue(text: string, nameEnd: number): number {
  const at = skip(text, nameEnd)
  return text.charCodeAt(at) === colon ? skip(text, at + 1) : ~at
}

/** The index at which the first value of an object's member starts, its name at `start`. */
function afterName(text: string, start: number): number {
  if (text.charCodeAt(start) !== quote) return ~start
  const end = endOfString(text, start)
  return end < 0 ? end : startOfValue(text, end)
}

/** The index at which the next value starts, or after the end of all that is `open`. */
function afterValue(text: string, end: number, open: number[]): number {
  let at = end
  for (let closer = open.at(-1); closer !== undefined; closer = open.at(-1)) {
    at = skip(text, at)
    if (text.charCodeAt(at) === comma) {
      const next = skip(text, at + 1)
      return closer === braceEnd ? afterName(text, next) : next
    }
    if (text.charCodeAt(at) !== closer) return ~at
    open.pop()
    at++
  }
  return at
}

/** The index after any value. */
export function endOfValue(text: string, start: number): number {
  /** What ends the objects and arrays around `at`, the innermost last. */
  const open: number[] = []
  let at = start
  do {
    const code = text.charCodeAt(at)
    if (code === brace || code === bracket) {
      const closer = code === brace ? braceEnd : bracketEnd
      open.push(closer)
      at = skip(text, at + 1)
      if (text.charCodeAt(at) !== closer) {
        if (code === brace) at = afterName(text, at)
        continue
      }
    } else {
      at = endOfScalar(text, at)
    }
    if (at >= 0) at = afterValue(text, at, open)
  } while (at >= 0 && open.length > 0)
  return at
}
