import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'

/** One measured figure, beside the limit measured in the same run where there is one. */
export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** What the machine gives without Heddle, in the same unit. */
  readonly limit?: number
  /** The bar that this figure has to meet; absent where it is only reported. */
  readonly bar?: Bar
}

/** `ratio`: of the limit; `value`: of the figure itself. */
export interface Bar {
  readonly of: 'ratio' | 'value'
  readonly atLeast?: number
  readonly atMost?: number
}

function ratio(figure: Figure): number | undefined {
  return figure.limit === undefined ? undefined : figure.value / figure.limit
}

/** Whether the figure meets its bar; undefined where it has none. */
export function meetsBar(figure: Figure): boolean | undefined {
  if (figure.bar === undefined) return undefined
  const measured = figure.bar.of === 'ratio' ? ratio(figure) : figure.value
  if (measured === undefined || Number.isNaN(measured)) return false
  const { atLeast = -Infinity, atMost = Infinity } = figure.bar
  return measured >= atLeast && measured <= atMost
}

function rounded(value: number | undefined): string {
  if (value === undefined) return ''
  if (value >= 1000) return Math.round(value).toLocaleString('en')
  return value.toPrecision(3)
}

function barText(bar: Bar | undefined): string {
  if (bar === undefined) return ''
  const side = bar.atLeast === undefined ? `<= ${String(bar.atMost)}` : `>= ${String(bar.atLeast)}`
  return `${side}${bar.of === 'ratio' ? ' x' : ''}`
}

function verdict(figure: Figure): string {
  const met = meetsBar(figure)
  return met === undefined ? '' : met ? 'met' : 'MISSED'
}

/** The figures as an aligned table. */
export function table(figures: readonly Figure[]): string {
  const rows = [
    ['figure', 'value', 'unit', 'limit', 'ratio', 'bar', ''],
    ...figures.map((figure) => [
      figure.name,
      rounded(figure.value),
      figure.unit,
      rounded(figure.limit),
      rounded(ratio(figure)),
      barText(figure.bar),
      verdict(figure),
    ]),
  ]
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  '))
    .join('\n')
}

/** Writes the figures, and what they were measured on, to `file`. */
export function writeJson(file: URL, figures: readonly Figure[]): void {
  const machine = { cores: cpus().length, cpu: cpus()[0]?.model, node: process.version }
  const entries = figures.map((figure) => ({
    ...figure,
    ratio: ratio(figure),
    met: meetsBar(figure),
  }))
  mkdirSync(new URL('.', file), { recursive: true })
  writeFileSync(file, JSON.stringify({ machine, figures: entries }, null, 2) + '\n')
}
