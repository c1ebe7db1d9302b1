/** One event of a stream (HTML, "Server-sent events"). */
export interface StreamedEvent {
  event: string;
  id: string | null;
  data: string;
}

/** Of one line; more is no stream of ours. */
const LONGEST = 1 << 20;

/** The events of a stream, in order. A token or a cookie is a header, so `EventSource` is of no use. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamedEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  let event = 'message';
  let id: string | null = null;
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > LONGEST) throw new Error('a line of the stream is too long');
      for (const whole of lines) {
        const line = whole.endsWith('\r') ? whole.slice(0, -1) : whole;
        if (line === '') {
          if (data.length > 0) yield { event, id, data: data.join('\n') };
          [event, data] = ['message', []];
          continue;
        }
        const colon = line.indexOf(':');
        if (colon === 0) continue;
        const name = colon < 0 ? line : line.slice(0, colon);
        const text = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
        if (name === 'event') event = text;
        else if (name === 'data') data.push(text);
        else if (name === 'id' && !text.includes('\0')) id = text;
      }
    }
  } finally {
    // Whoever stops listening ends the request, too.
    await reader.cancel().catch(() => {});
  }
}
