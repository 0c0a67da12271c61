import { inspect } from 'node:util'

/** Most characters of an event, a field or an error message in a line; what is beyond is counted. */
export const maxLogText = 4096

/** Most causes of an error in a line: a circle of them ends there. */
export const maxLogCauses = 8

/** The text, up to {@link maxLogText}; then how much is missing. */
export function boundedText(text: string): string {
  if (text.length <= maxLogText) return text
  return `${text.slice(0, maxLogText)}… (${text.length - maxLogText} characters more)`
}

/** A value that a line may show: what would be longer than {@link maxLogText} becomes text, cut. */
export function boundedValue(value: unknown): unknown {
  if (typeof value === 'string') return boundedText(value)
  if (typeof value !== 'object' || value === null) return value
  const text = asText(value)
  return text.length <= maxLogText ? value : boundedText(text)
}

/** An error as fields: its code and message, and those of its causes. Never a stack at info. */
export function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return boundedValue(error)
  const { code, message, cause } = error as Error & { code?: unknown }
  return {
    ...(code === undefined ? {} : { code: boundedValue(code) }),
    message: boundedText(message),
    ...(cause === undefined || depth === maxLogCauses
      ? {}
      : { cause: describeError(cause, depth + 1) }),
  }
}

function asText(value: object): string {
  const plain = (_name: string, part: unknown) => (typeof part === 'bigint' ? String(part) : part)
  try {
    const text: unknown = JSON.stringify(value, plain)
    return typeof text === 'string' ? text : ''
  } catch {
    return inspect(value) // it contains itself
  }
}
