/** Numbers as Prometheus reads them (text format 0.0.4). Pure. */

/** A gauge: nothing here counts up for ever, since no isolate lives for ever. */
export interface Metric {
  name: string
  help: string
  samples: { labels?: Record<string, string>; value: number }[]
}

export function renderMetrics(metrics: readonly Metric[]): string {
  const lines = metrics.flatMap(({ name, help, samples }) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} gauge`,
    ...samples.map(({ labels = {}, value }) => {
      const inner = Object.entries(labels).map(([label, text]) => `${label}="${escape(text)}"`)
      return `${name}${inner.length === 0 ? '' : `{${inner.join()}}`} ${value}`
    }),
  ])
  return `${lines.join('\n')}\n`
}

const escape = (text: string): string =>
  text.replaceAll(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`))
