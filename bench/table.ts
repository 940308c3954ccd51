/** Prints rows under headings, numbers to the right. */
export function printTable(headings: string[], rows: string[][]): void {
  const widths = headings.map((heading, column) =>
    Math.max(...[heading, ...rows.map((row) => row[column] ?? '')].map(({ length }) => length)),
  )
  const line = (cells: string[]) =>
    cells
      .map((cell, column) => (column ? cell.padStart(widths[column]!) : cell.padEnd(widths[0]!)))
      .join('  ')
  console.log(
    [line(headings), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n'),
  )
}
