// Server-sent events out of a fetched body: EventSource could not send the token in a header.

/** Yield { id, data } of each block of a stream; a block that is a heartbeat has no data. */
export async function* blocks(body) {
  let rest = "";
  for await (const text of readText(body)) {
    const parts = (rest + text).replaceAll("\r\n", "\n").split("\n\n");
    rest = parts.pop();
    for (const part of parts) yield parse(part);
  }
}

async function* readText(body) {
  // Not `for await (… of body)`: Safari's ReadableStream is not iterable.
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

function parse(block) {
  let id = null;
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("id: ")) id = Number(line.slice(4));
    else if (line.startsWith("data: ")) data.push(line.slice(6));
  }
  return { id, data: data.length ? data.join("\n") : null };
}
