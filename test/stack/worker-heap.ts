/** What the isolate in which the Worker runs, all of its objects included, has in memory: as V8's inspector tells. */

/** In bytes, right after a garbage collection. */
export interface WorkerHeap {
  /** All that is in use: V8's heap, the runtime's objects in it, and array buffers. */
  used: () => Promise<number>
  /**
   * Of V8's heap what programs make: objects, texts, closures, promises. Without compiled code and the shapes of objects,
   * which V8 goes on to make for a long time, and which do not come back.
   */
  kept: () => Promise<number>
  close: () => void
}

type Json = any // oxlint-disable-line typescript/no-explicit-any -- what V8 sends

/** @param poke any request to the Worker that does no work */
export async function openHeap(inspectorUrl: string, poke: () => Promise<unknown>): Promise<WorkerHeap> {
  const socket = new WebSocket(inspectorUrl)
  const asked = new Map<number, (result: Json) => void>()
  let chunks: string[] = []
  let lastId = 0
  socket.addEventListener('message', ({ data }) => {
    const { id, method, params, result } = JSON.parse(data as string) as Json
    if (method === 'HeapProfiler.addHeapSnapshotChunk') chunks.push(params.chunk as string)
    asked.get(id as number)?.(result)
    asked.delete(id as number)
  })
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve)
    socket.addEventListener('error', reject)
  })

  function ask(method: string, params: object = {}): Promise<Json> {
    const id = ++lastId
    socket.send(JSON.stringify({ id, method, params }))
    return new Promise((resolve) => asked.set(id, resolve))
  }

  async function collect(): Promise<void> {
    // The inspector keeps what was logged.
    await ask('Runtime.discardConsoleEntries')
    let isCollected = false
    ask('HeapProfiler.collectGarbage').then(
      () => (isCollected = true),
      () => undefined,
    )
    // V8 collects in a task, and workerd runs those when it has run something else.
    while (!isCollected) await poke()
  }

  await ask('Runtime.enable')
  return {
    async used() {
      await collect()
      const { usedSize, embedderHeapUsedSize, backingStorageSize } = await ask('Runtime.getHeapUsage')
      return usedSize + embedderHeapUsedSize + backingStorageSize
    },
    async kept() {
      await collect()
      chunks = []
      await ask('HeapProfiler.takeHeapSnapshot', { reportProgress: false })
      return bytesKept(JSON.parse(chunks.join('')) as Snapshot)
    },
    close: () => socket.close(),
  }
}

interface Snapshot {
  snapshot: { meta: { node_fields: string[]; node_types: [string[]] } }
  /** So many numbers for each node as there are fields. */
  nodes: number[]
  strings: string[]
}

function bytesKept({ snapshot, nodes, strings }: Snapshot): number {
  const { node_fields: fields, node_types: types } = snapshot.meta
  const [type, name, size] = ['type', 'name', 'self_size'].map((field) => fields.indexOf(field))
  let bytes = 0
  for (let node = 0; node < nodes.length; node += fields.length) {
    const kind = types[0][nodes[node + type!]!]!
    const isOfV8 = kind === 'native' && strings[nodes[node + name!]!]!.startsWith('system /')
    if (!isOfV8 && kind !== 'code' && kind !== 'object shape') bytes += nodes[node + size!]!
  }
  return bytes
}
