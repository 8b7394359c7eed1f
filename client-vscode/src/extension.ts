/** Wires the extension: finds Python, starts the server, shows its runs. The logic is the server's. */
import * as vscode from 'vscode';
import type { LanguageClientOptions } from 'vscode-languageclient/node';
import { registerMcpServer } from './chat/mcpServer';
import { chatCommands, registerParticipant } from './chat/participant';
import { registerTools } from './chat/tools';
import { watchEmptyFile } from './commands/emptyFile';
import { patchCommands } from './commands/patchCommands';
import { projectCommands } from './commands/projectCommands';
import { PromptEditor } from './commands/promptEditor';
import { registerCommands } from './commands/register';
import { runCommands } from './commands/runCommands';
import { setupCommands } from './commands/setupCommands';
import { Documents } from './documents';
import { serveEditorModels } from './models/editorModels';
import { GeminiKey } from './models/geminiKey';
import { watchPatchTabs } from './patches/diff';
import { PatchReview } from './patches/patchReview';
import { runChanged, runWriting } from './protocol';
import { ChatRuns } from './runs/chatRuns';
import { LivePreview } from './runs/livePreview';
import { RunProgress } from './runs/progress';
import { ProjectTests } from './runs/projectTests';
import { askQuestions } from './runs/questions';
import { waitingPatch } from './runs/runBook';
import { Runs } from './runs/runs';
import { RunTree } from './runs/runTree';
import { StatusBar } from './runs/statusBar';
import { TestExplorer } from './runs/testExplorer';
import { clientOptions } from './server/clientOptions';
import { Connection } from './server/connection';
import { privateInterpreter } from './server/installation';
import { locate } from './server/locate';
import { showMessages } from './server/messages';
import { hasServer } from './server/python';
import { onInterpreterChange, selectedInterpreter } from './server/pythonExtension';
import { Restarts } from './server/restarts';
import { startOrExplain } from './server/starting';

let running: Connection | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel('ML Coach', { log: true });
  const key = new GeminiKey(context.secrets);
  const progress = new RunProgress();
  const status = new StatusBar();
  const starting = {
    locate: () =>
      locate({
        configured: () => vscode.workspace.getConfiguration('mlCoach').get<string[]>('server.command', []),
        selectedInterpreter,
        hasServer,
        privateInterpreter: (selected) => privateInterpreter(context, log, selected),
      }),
    environment: () => key.environment(),
  };
  const connection = new Connection({
    log,
    ...starting,
    options: (client): LanguageClientOptions => clientOptions(context, log, client, progress),
    attach: (client) => {
      client.onNotification(runChanged, runs.take);
      client.onNotification(runWriting, (writing) => {
        preview.take(writing);
        runs.write(writing);
      });
      serveEditorModels(client);
      askQuestions(client, chats);
      showMessages(client);
    },
  });
  running = connection;
  const runs = new Runs(connection);
  const chats = new ChatRuns();
  const preview = new LivePreview(runs);
  const rows = new RunTree(runs, preview);
  const tree = vscode.window.createTreeView('mlCoach.runs', { treeDataProvider: rows });
  const review = new PatchReview(runs, connection, progress, chats);
  const documents = new Documents(runs, connection);
  const restarts = new Restarts(connection, runs, (step) => startOrExplain(log, step));

  const promptEditor = new PromptEditor();
  const projectTests = new ProjectTests(runs, connection);
  const icon = vscode.Uri.joinPath(context.extensionUri, 'client-vscode/assets/icon.png');
  const chat = { connection, runs, chats, icon };

  context.subscriptions.push(
    log, promptEditor, progress, status, connection, runs, rows, tree, preview, review, documents, restarts,
    watchEmptyFile(), watchPatchTabs(),
    new TestExplorer(runs, connection), projectTests,
    registerParticipant(chat),
    registerTools(connection),
    registerMcpServer(starting),
    connection.onDidChangeState((state) => {
      status.showServer(state);
      if (state !== 'ready') progress.endAll();
    }),
    runs.onDidChange(() => { status.showWaiting(waitingPatch(runs.book.active())?.patchId); }),
    progress.onDidChangeStage((stage) => { status.showStage(stage); }),
    registerCommands(log, {
      ...runCommands(connection, runs, tree, context.globalState, promptEditor),
      ...projectCommands(connection, projectTests),
      ...setupCommands(connection, key, documents, restarts, log),
      ...patchCommands(review),
      ...chatCommands(chat),
    }),
    key.onDidChange(() => void restarts.because('The Gemini API key was changed')),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration('mlCoach.server')) void restarts.because('The setting mlCoach.server.command was changed');
    }),
  );
  // Activation does not wait for the Python extension, which may take long to start.
  void onInterpreterChange(() => void restarts.because('Another Python interpreter was selected'))
    .then((watching) => context.subscriptions.push(watching));
  void startOrExplain(log, () => connection.start());
}

export async function deactivate(): Promise<void> {
  await running?.stop();
}
