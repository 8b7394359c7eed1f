// Runs in Deno, which may read this folder and nothing else. It prepares an isolate ahead, hands it
// one program, counts what comes out, and answers.
//
// On standard input and output go frames: four bytes of length, then JSON. Each frame that goes out
// begins with a word that only we and the process that started us know.

"use strict";

const folder = new URL(".", import.meta.url);
const SIGNALS = { stack: 10, slow: 12 };
const CRASHED = -11;
const STACK_MS = 400;
const STACK_PIECES_MS = 40;
const TELL_MS = 50;
const PAGE = 65536;
const MEMORY_SECTION = 5;

const incoming = [];
let wake = () => {};
let order;
let parts;

async function main() {
  readFrames();
  order = await nextFrame();
  parts = {
    module: await WebAssembly.compile(withMemory(read("pyodide.asm.wasm"))),
    lock: Deno.readTextFileSync(new URL("pyodide-lock.json", folder)),
    library: shared(read("python_stdlib.zip")),
    site: shared(read("site.zip")),
    limits: order.limits,
    snapshot: order.snapshot ? shared(read(order.snapshot)) : null,
  };
  if (parts.snapshot) parts.filled = filled(parts.snapshot);
  await (parts.snapshot ? serve() : makeSnapshot());
}

async function serve() {
  const parked = [isolate()];
  await parked[0].ready;
  send({ ready: true });
  parked.push(isolate());
  while (true) {
    const request = await nextFrame();
    const taken = parked.shift();
    await taken.ready;
    const answer = await taken.run(request);
    send(answer);
    // Only now, so that it takes no time from the run.
    parked.push(isolate());
    // Deno ends an isolate that is in a loop only after seconds; a process ends at once.
    if (answer.stuck) Deno.exit(0);
    taken.end();
  }
}

async function makeSnapshot() {
  const memory = await isolate().ready;
  send({ bytes: memory.length });
  writeAll(memory);
  Deno.exit(0);
}

// An isolate without any permission. `ready` resolves when it waits for its program.
function isolate() {
  const signals = new Uint8Array(new SharedArrayBuffer(8));
  const worker = new Worker(new URL("program.mjs", folder), {
    type: "module",
    deno: { permissions: "none" },
  });
  let run = null;
  const ready = new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => {
      if (run) run.hear(data);
      else resolve(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      if (run) run.crashed();
      else reject(new Error(event.message));
    };
  });
  worker.postMessage({ ...parts, signals });
  return {
    ready,
    end: () => worker.terminate(),
    run: (request) =>
      new Promise((resolve) => {
        run = new Run(request, signals, resolve);
        worker.postMessage({ request: JSON.stringify(request) });
      }),
  };
}

// What one program does, as its messages tell. It may send any message, so nothing in one is
// believed but that the program sent it.
class Run {
  constructor(request, signals, resolve) {
    this.limits = order.limits;
    this.signals = signals;
    this.resolve = resolve;
    this.started = performance.now();
    this.channels = { stdout: [], stderr: [], records: [], stack: [] };
    this.bytes = { stdout: 0, stderr: 0, records: 0, stack: 0 };
    this.deadline = setTimeout(() => this.stop("time"), request.timeout_seconds * 1000);
    this.eachMs = (request.each_seconds ?? 0) * 1000;
    this.watchEach();
  }

  hear(data) {
    if (data?.channel in this.channels && data.bytes instanceof Uint8Array) {
      this.take(data.channel, data.bytes);
    } else if (Number.isInteger(data?.ended)) {
      this.answer({ status: data.ended & 255 });
    } else if (typeof data?.failed === "string") {
      this.answer({ error: data.failed.slice(0, 600) });
    }
  }

  // WebAssembly trapped, as by a stack that is too deep: what a process would get a signal for.
  // What the program wrote before may come after the news of that.
  crashed() {
    setTimeout(() => this.answer({ status: CRASHED, stuck: true }), STACK_PIECES_MS);
  }

  take(channel, bytes) {
    this.bytes[channel] += bytes.length;
    this.channels[channel].push(bytes);
    if (channel === "records") this.watchEach();
    else if (channel !== "stack") this.tell(channel, bytes);
    // The stack comes in many pieces.
    if (channel === "stack" && this.limit) setTimeout(() => this.finish(), STACK_PIECES_MS);
    const printed = this.bytes.stdout + this.bytes.stderr;
    if (printed > this.limits.output_bytes || this.bytes.records > this.limits.record_bytes) {
      this.stop("output");
    }
  }

  // What is printed is told from time to time: where the process is ended, the last of it is lost.
  tell(channel, bytes) {
    this.untold ??= { stdout: [], stderr: [] };
    this.untold[channel].push(bytes);
    this.telling ??= setTimeout(() => {
      const text = (name) => base64(this.untold[name], this.limits.output_bytes);
      if (!this.done) send({ printed: { stdout: text("stdout"), stderr: text("stderr") } });
      this.telling = this.untold = undefined;
    }, TELL_MS);
  }

  watchEach() {
    clearTimeout(this.each);
    if (!this.eachMs) return;
    this.each = setTimeout(() => {
      this.signal(SIGNALS.slow);
      this.watchEach();
    }, this.eachMs);
  }

  signal(number) {
    this.signals[0] = number;
  }

  stop(limit) {
    if (this.limit || this.done) return;
    this.limit = limit;
    this.signal(SIGNALS.stack);
    setTimeout(() => this.finish(), STACK_MS);
  }

  finish() {
    this.answer({ status: null, stuck: true });
  }

  answer(how) {
    if (this.done) return;
    this.done = true;
    clearTimeout(this.deadline);
    clearTimeout(this.each);
    const text = (name, most) => base64(this.channels[name], most);
    this.resolve({
      limit: this.limit ?? "",
      stdout: text("stdout", this.limits.output_bytes),
      stderr: text("stderr", this.limits.output_bytes),
      records: text("records", this.limits.record_bytes),
      stack: text("stack", this.limits.stack_bytes),
      seconds: (performance.now() - this.started) / 1000,
      ...how,
      stuck: how.stuck || Boolean(this.limit),
    });
  }
}

function base64(pieces, most) {
  const whole = new Uint8Array(Math.min(most, pieces.reduce((sum, each) => sum + each.length, 0)));
  let at = 0;
  for (const each of pieces) {
    const part = each.subarray(0, whole.length - at);
    whole.set(part, at);
    at += part.length;
  }
  return whole.toBase64();
}

// The places in a snapshot that hold anything, from and to. Most of its pages do not.
function filled(snapshot) {
  const words = new BigUint64Array(snapshot.buffer);
  const CHUNK = 4096;
  const places = [];
  for (let at = 0; at < snapshot.length; at += CHUNK) {
    const end = (at + CHUNK) / 8;
    let word = at / 8;
    while (word < end && words[word] === 0n) word++;
    if (word === end) continue;
    const last = places.at(-1);
    if (last?.[1] === at) last[1] = at + CHUNK;
    else places.push([at, at + CHUNK]);
  }
  return places;
}

function shared(bytes) {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

// The module with other bounds of its memory: V8 then refuses what is over the limit, and the
// snapshot fits from the start. The section is id, length, count, flags, least, most (as LEB128).
function withMemory(wasm) {
  let at = 8;
  while (at < wasm.length) {
    const id = wasm[at];
    const length = leb128(wasm, at + 1);
    if (id === MEMORY_SECTION) {
      const least = Math.max(order.least_bytes / PAGE, leb128(wasm, length.end + 2).value);
      const most = Math.max(least, Math.floor(order.limits.memory_bytes / PAGE));
      const body = [1, 1, ...asLeb128(least), ...asLeb128(most)];
      const section = Uint8Array.from([id, ...asLeb128(body.length), ...body]);
      const rest = wasm.subarray(length.end + length.value);
      const whole = new Uint8Array(at + section.length + rest.length);
      whole.set(wasm.subarray(0, at));
      whole.set(section, at);
      whole.set(rest, at + section.length);
      return whole;
    }
    at = length.end + length.value;
  }
  throw new Error("the module has no memory of its own");
}

function leb128(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return { value, end: at };
  }
}

function asLeb128(value) {
  const bytes = [];
  do {
    bytes.push((value & 127) | (value > 127 ? 128 : 0));
    value >>>= 7;
  } while (value);
  return bytes;
}

function read(name) {
  return Deno.readFileSync(new URL(name, folder));
}

function send(message) {
  const text = new TextEncoder();
  const body = text.encode(JSON.stringify(message));
  const head = text.encode(order.word);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, body.length);
  for (const part of [head, length, body]) writeAll(part);
}

function writeAll(bytes) {
  for (let at = 0; at < bytes.length; ) at += Deno.stdout.writeSync(bytes.subarray(at));
}

async function nextFrame() {
  while (!incoming.length) await new Promise((resolve) => (wake = resolve));
  return incoming.shift();
}

// Reads all the time: the end of the input means that the process that started us has ended.
async function readFrames() {
  let held = new Uint8Array(0);
  for await (const chunk of Deno.stdin.readable) {
    const joined = new Uint8Array(held.length + chunk.length);
    joined.set(held);
    joined.set(chunk, held.length);
    held = joined;
    while (held.length >= 4) {
      const end = 4 + new DataView(held.buffer, held.byteOffset).getUint32(0);
      if (held.length < end) break;
      incoming.push(JSON.parse(new TextDecoder().decode(held.subarray(4, end))));
      held = held.slice(end);
      wake();
    }
  }
  Deno.exit(0);
}

await main();
