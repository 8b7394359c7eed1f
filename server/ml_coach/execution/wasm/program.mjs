// One isolate for one program: CPython, with memory and files of its own, and no permission.
//
// First it is sent what it is made of. Without a snapshot it prepares the interpreter and sends its
// memory; with one it is a copy of that memory, and waits for the program.

const post = self.postMessage.bind(self);
// Pyodide then takes this for a browser, and the program finds no way to what Deno adds.
for (const name of ["Deno", "process", "Worker", "BroadcastChannel", "caches", "console"]) {
  delete globalThis[name];
}
globalThis.console = { log() {}, warn() {}, error() {}, info() {}, debug() {} };
const { default: create } = await import("./pyodide.asm.mjs");
const { loadPyodide } = await import("./pyodide.mjs");

const FILE_SYSTEM_FULL = 51; // ENOSPC, as WebAssembly numbers it
const FILE_TOO_LARGE = 22; // EFBIG
const WORK = "/box/work";
const TEMPORARY = "/box/tmp";
const SITE = "/lib/site.zip";
const PREPARE = `
import sys
sys.path.insert(0, "${SITE}")
from ml_coach.execution.wasm import entry
entry.prepare()
`;
let python;

self.onmessage = async ({ data }) => {
  if (data.request) return run(data.request);
  python = await load(data);
  if (data.snapshot) return post({ waits: true });
  const [status, said] = python.API.rawRun(PREPARE);
  if (status) throw new Error(said);
  post(python.HEAPU8.slice());
};

async function load({ module, lock, library, site, snapshot, filled, signals, limits }) {
  // Pyodide reads files by these two; ours answer with what we were sent.
  globalThis.fetch = async () => ({ ok: true, arrayBuffer: async () => library.slice().buffer });
  WebAssembly.instantiateStreaming = async (_, imports) => ({
    module,
    instance: await WebAssembly.instantiate(module, imports),
  });
  let made;
  const here = "file:///none/";
  await loadPyodide({
    indexURL: here,
    packageBaseUrl: here,
    lockFileContents: lock,
    createPyodideModule: async (settings) => {
      settings.noInitialRun = Boolean(snapshot);
      made = await create(settings);
      // What loadPyodide adds from here on is the bridge from Python to JavaScript.
      throw new Loaded();
    },
  }).catch((error) => {
    if (!(error instanceof Loaded)) throw error;
  });
  delete globalThis.fetch;
  const { FS } = made;
  for (const folder of [WORK, TEMPORARY]) FS.mkdirTree(folder);
  FS.writeFile(SITE, site);
  if (snapshot) restore(made, snapshot, filled);
  made.HEAP8[made._Py_EMSCRIPTEN_SIGNAL_HANDLING] = 1;
  made.Py_EmscriptenSignalBuffer = signals;
  limitFiles(FS, limits);
  FS.chdir(WORK);
  return made;
}

class Loaded extends Error {}

// `filled` are the places, from and to, where the snapshot holds anything. Above what was allocated
// while the module was made, new memory holds nothing.
function restore(made, snapshot, filled) {
  made.HEAPU8.fill(0, 0, made._sbrk(0));
  for (const [from, to] of filled) made.HEAPU8.set(snapshot.subarray(from, to), from);
}

// Files are in memory that WebAssembly's own limit does not cover.
function limitFiles(FS, limits) {
  const { MEMFS } = FS.filesystems;
  const expand = MEMFS.expandFileStorage;
  let used = 0;
  MEMFS.expandFileStorage = (node, needed) => {
    const before = node.contents?.length ?? 0;
    if (needed > limits.file_bytes) throw new FS.ErrnoError(FILE_TOO_LARGE);
    if (used + needed - before > limits.disk_bytes) throw new FS.ErrnoError(FILE_SYSTEM_FULL);
    expand(node, needed);
    used += Math.max(0, (node.contents?.length ?? 0) - before);
  };
}

function run(request) {
  const { FS } = python;
  FS.writeFile("/box/request.json", request);
  FS.closeStream(0);
  FS.open("/dev/null", 0);
  for (const [descriptor, name] of [[1, "stdout"], [2, "stderr"]]) {
    FS.closeStream(descriptor);
    channel(FS, name);
  }
  channel(FS, "records");
  channel(FS, "stack");
  const named = (text) => python.stringToNewUTF8(text);
  try {
    // Called in this way main has no Python code below it: signing.py trusts none that it does not
    // know.
    const entry = python._PyImport_ImportModule(named("ml_coach.execution.wasm.entry"));
    python._PyObject_CallNoArgs(python._PyObject_GetAttrString(entry, named("main")));
    post({ failed: "the run did not begin" });
  } catch (error) {
    if (error?.name !== "ExitStatus") throw error;
    post({ ended: error.status });
  }
}

// Opens a device whose writes go out as messages.
let devices = 0;
function channel(FS, name) {
  const device = FS.makedev(64, devices++);
  FS.registerDevice(device, {
    open() {},
    close() {},
    write(_, buffer, offset, length) {
      post({ channel: name, bytes: Uint8Array.from(buffer.subarray(offset, offset + length)) });
      return length;
    },
  });
  const path = `/dev/ml-coach-${name}`;
  FS.mkdev(path, 0o222, device);
  FS.open(path, 1);
}
