const PARENT_POLL_MS = 200

/**
 * Calls back at each Ctrl-C, SIGTERM and SIGHUP, with its name. A SIGTERM to npm counts too: npm hands it to the shell
 * between us, which dies of it without telling us, so what we notice is that the parent changed.
 */
export function onStopRequest(callback: (signal: NodeJS.Signals) => void): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => callback(signal))
  if (process.env['npm_lifecycle_event'] === undefined) return
  const parent = process.ppid
  const poll = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(poll)
    callback('SIGTERM')
  }, PARENT_POLL_MS)
  poll.unref()
}
