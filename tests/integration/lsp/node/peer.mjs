// An editor on vscode-languageserver-protocol: nothing of it is shared with the server.
// Says on its last line, as JSON, what it saw.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.env.NODE_PEER}/`);
const rpc = require("vscode-languageserver-protocol/node");

const root = pathToFileURL(process.env.PROBE_ROOT).href;
const uri = (file) => `${root}/${file}`;
const texts = new Map();
const versions = new Map();
const seen = { diagnostics: {}, progress: [], events: [], messages: [], refusals: [] };
let wake = () => {};

const server = spawn(process.env.ML_COACH, ["serve"], { stdio: ["pipe", "pipe", "inherit"] });
const ended = new Promise((resolve) => server.on("exit", resolve));
const peer = rpc.createProtocolConnection(server.stdout, server.stdin);

async function until(what, holds) {
  const end = Date.now() + 30000;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await Promise.race([
      new Promise((resolve) => (wake = resolve)),
      new Promise((resolve) => setTimeout(resolve, 1000)),
    ]);
  }
}

function offset(text, { line, character }) {
  let start = 0;
  for (let i = 0; i < line; i++) start = text.indexOf("\n", start) + 1;
  return start + character;
}

function edit(document, edits) {
  const known = texts.has(document);
  let text = texts.get(document) ?? "";
  const sorted = [...edits].sort((a, b) => offset(text, b.range.start) - offset(text, a.range.start));
  for (const { range, newText } of sorted)
    text = text.slice(0, offset(text, range.start)) + newText + text.slice(offset(text, range.end));
  texts.set(document, text);
  const version = (versions.get(document) ?? 0) + 1;
  versions.set(document, version);
  if (known)
    peer.sendNotification("textDocument/didChange", {
      textDocument: { uri: document, version },
      contentChanges: [{ text }],
    });
  else
    peer.sendNotification("textDocument/didOpen", {
      textDocument: { uri: document, languageId: "python", version, text },
    });
}

function apply({ documentChanges }) {
  for (const change of documentChanges) {
    if (change.kind === "create") continue;
    if (change.kind === "delete") {
      texts.delete(change.uri);
      peer.sendNotification("textDocument/didClose", { textDocument: { uri: change.uri } });
      continue;
    }
    const { uri: document, version } = change.textDocument;
    if (version !== null && version !== versions.get(document)) return false;
    edit(document, change.edits);
  }
  return true;
}

const heard = (take) => (params) => {
  const result = take(params);
  wake();
  return result;
};
peer.onRequest("workspace/applyEdit", heard(({ edit }) => ({ applied: apply(edit) })));
peer.onRequest("window/workDoneProgress/create", heard(() => null));
peer.onNotification("$/progress", heard(({ value }) => seen.progress.push(value.kind)));
peer.onNotification("window/showMessage", heard(({ message }) => seen.messages.push(message)));
peer.onNotification("window/logMessage", () => {});
peer.onNotification("mlCoach/event", heard(({ event }) => seen.events.push(event)));
peer.onNotification(
  "textDocument/publishDiagnostics",
  heard(({ uri, diagnostics }) => (seen.diagnostics[uri] = diagnostics)),
);
peer.listen();

const command = (name, argument) =>
  peer.sendRequest("workspace/executeCommand", { command: `mlCoach.${name}`, arguments: [argument] });
const finished = () => seen.events.some((e) => e.event === "RunFinished");

await peer.sendRequest("initialize", {
  processId: process.pid,
  rootUri: root,
  capabilities: {
    workspace: {
      applyEdit: true,
      workspaceEdit: { documentChanges: true, resourceOperations: ["create", "delete"] },
    },
    window: { workDoneProgress: true },
    textDocument: { publishDiagnostics: { relatedInformation: true } },
  },
  initializationOptions: { events: true },
});
await peer.sendNotification("initialized", {});
try {
  await command("generate", { prompt: "x", colour: "red" });
} catch (error) {
  seen.refusals.push([error.code, error.message]);
}
const { runId } = await command("generate", { prompt: process.env.PROBE_PROMPT });
await until("the offer", () => seen.events.some((e) => e.event === "PatchOffered"));
const [finding] = seen.diagnostics[uri("test_generated.py")];
const actions = await peer.sendRequest("textDocument/codeAction", {
  textDocument: { uri: uri("test_generated.py") },
  range: finding.range,
  context: { diagnostics: [finding] },
});
const fix = actions.find((a) => a.isPreferred);
seen.edited = apply(fix.edit);
seen.answer = await peer.sendRequest("workspace/executeCommand", fix.command);
await until("the end", finished);
await until("the end of progress", () => seen.progress.at(-1) === "end");
seen.program = texts.get(uri("generated_code.py"));
seen.left = seen.diagnostics[uri("test_generated.py")];
seen.undone = await command("undoRun", { runId });
seen.files = [...texts.keys()];
await peer.sendRequest("shutdown");
await peer.sendNotification("exit");
seen.exitCode = await ended;
delete seen.events;
console.log(JSON.stringify({ ...seen, finding }));
process.exit(0);
