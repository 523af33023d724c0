/*
 * sse - a client of /v1/events that reads as the standard says and can be cut off at any byte.
 */
import http from 'node:http';

/** Whole blocks of a text of server-sent events, as objects of their fields; the rest of the text. */
export function parseBlocks(text) {
  const parts = text.split('\n\n');
  const rest = parts.pop();
  const blocks = parts.map((part) => {
    const block = {};
    for (const line of part.split('\n')) {
      if (line.startsWith(':')) continue;
      const [, name, value] = /^([a-z]+): (.*)$/.exec(line) ?? [];
      if (!name) throw new Error(`no line of an event: ${line}`);
      block[name] = value;
    }
    return block;
  });
  return { blocks, rest };
}

/**
 * Follows `url`.  `lastId` is said as Last-Event-ID.  What comes is in `changes` (parsed data of
 * "event: state") and `resets`; `lastId` moves with every id.  `status` and `ended` are promises;
 * cut() leaves, and nothing is taken after it; `bytes` cuts it off after so many, wherever that is.
 */
export function follow(url, { lastId = null, bytes = Infinity } = {}) {
  const self = { lastId, changes: [], resets: [], text: '' };
  const headers = lastId === null ? {} : { 'Last-Event-ID': lastId };
  const request = http.get(url, { headers, agent: false });
  let gone = false;

  self.cut = () => {
    gone = true;
    request.destroy();
  };
  self.status = new Promise((resolve, reject) => {
    request.once('response', (response) => resolve(response.statusCode));
    request.once('error', (e) => (gone ? resolve(null) : reject(e)));
  });
  self.status.catch(() => {});
  self.ended = new Promise((resolve) => request.once('close', resolve));
  request.once('response', (response) => {
    let left = bytes;
    response.setEncoding('latin1'); /* one character for each byte: all that is said is ASCII */
    response.on('error', () => {});
    response.on('data', (chunk) => {
      if (gone) return;
      const { blocks, rest } = parseBlocks(self.text + chunk.slice(0, left));
      left -= chunk.length;
      self.text = rest;
      for (const block of blocks) {
        if (block.id !== undefined) self.lastId = block.id;
        if (block.event === 'reset') self.resets.push(JSON.parse(block.data));
        if (block.event !== 'state') continue;
        const change = JSON.parse(block.data);
        if (String(change.seq) !== block.id) throw new Error(`id ${block.id} with ${block.data}`);
        self.changes.push(change);
      }
      if (left <= 0) self.cut();
    });
  });
  return self;
}
