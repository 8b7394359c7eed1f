import * as vscode from 'vscode';
import { runUri } from '../documents';
import { linesIn } from '../runs/pythonTests';
import type { Run } from '../runs/runBook';
import type { Row } from '../runs/runTree';
import type { Runs } from '../runs/runs';
import type { Connection } from '../server/connection';
import type { RunAction } from '../protocol';
import { firstLine, runTitle, stateAndTime } from '../wording';
import { isEmptyPython } from './emptyFile';
import { askForPrompt, keepPrompt } from './promptBox';
import type { PromptEditor } from './promptEditor';

/** The commands that start, stop, take back and show runs. A row comes from the Runs view. */
export function runCommands(
  connection: Connection,
  runs: Runs,
  tree: vscode.TreeView<Row>,
  state: vscode.Memento,
  promptEditor: PromptEditor,
): Record<string, (...args: never[]) => unknown> {
  /** The run of the row, else one of those that `candidates` finds; the user picks where there are several. */
  async function chosen(row: Row | undefined, title: string, candidates: () => Run[]): Promise<Run | undefined> {
    if (row !== undefined && row.kind !== 'group') return row.run;
    await runs.refresh();
    const found = candidates();
    if (found.length === 0) void vscode.window.showInformationMessage(`${title}: there is no run for that.`);
    return found.length < 2 ? found[0] : pick(found, title);
  }

  const that = (...actions: RunAction[]) => () => actions.flatMap((action) => runs.that(action)).sort((a, b) => (a.runId < b.runId ? 1 : -1));

  return {
    async generate(target?: vscode.Uri): Promise<void> {
      const written = await promptEditor.take();
      if (written !== undefined) {
        await generate(written.prompt, written.target);
        return;
      }
      const typed = await askForPrompt(state);
      if (typed?.isOpen === true) await promptEditor.open(typed.text, target);
      else if (typed !== undefined) await generate(typed.text, target);
    },
    // The same by another name, for the title bar of a prompt.
    generatePrompt: () => vscode.commands.executeCommand('mlCoach.ui.generate'),
    async debugFile(uri?: vscode.Uri): Promise<void> {
      await connection.execute('mlCoach.debug', { uri: await pythonFile(uri) });
    },
    async writeTests(uri?: vscode.Uri): Promise<void> {
      await connection.execute('mlCoach.writeTests', { uri: await pythonFile(uri) });
    },
    async refine(uri?: vscode.Uri): Promise<void> {
      const file = await pythonFile(uri);
      const prompt = await vscode.window.showInputBox({
        title: `ML Coach: Refine ${vscode.workspace.asRelativePath(vscode.Uri.parse(file))}`,
        prompt: 'What it must do as well. An example becomes a test: also take None: add(None, 2) == 2',
        ignoreFocusOut: true,
      });
      if (prompt !== undefined && prompt.trim() !== '') await connection.execute('mlCoach.refine', { uri: file, prompt });
    },
    async stop(row?: Row): Promise<void> {
      const run = await chosen(row, 'Stop', that('stop'));
      if (run !== undefined) await connection.execute('mlCoach.stop', { runId: run.runId });
    },
    async undoRun(row?: Row): Promise<void> {
      const run = await chosen(row, 'Undo Run', that('undo', 'redo'));
      if (run === undefined) return;
      const { action } = await connection.execute('mlCoach.undoRun', { runId: run.runId });
      // The server itself tells why it refused.
      await runs.refresh();
      if (action !== 'refused') void vscode.window.showInformationMessage(`ML Coach: the run was ${action}.`);
    },
    async resumeRun(row?: Row): Promise<void> {
      const run = await chosen(row, 'Resume Run', that('resume'));
      if (run !== undefined) await connection.execute('mlCoach.resume', { runId: run.runId });
    },
    async showRun(row?: Row): Promise<void> {
      const run = await chosen(row, 'Show Run', () => inOrder(runs));
      if (run === undefined) return;
      await tree.reveal({ kind: 'run', run }, { expand: true, focus: true });
      await openLog(run);
    },
    async openLog(runId: string): Promise<void> {
      const run = runs.book.get(runId);
      if (run !== undefined) await openLog(await runs.completed(run));
    },
    async openTest(runId: string, test: string): Promise<void> {
      const run = runs.book.get(runId);
      if (run !== undefined) await openTest(run, test, connection);
    },
    refreshRuns: () => runs.refresh(),
  };

  async function generate(prompt: string, target: vscode.Uri | undefined): Promise<void> {
    await keepPrompt(state, prompt);
    await connection.execute('mlCoach.generate', { prompt, ...(await whereToWrite(target)) });
  }

  async function openLog(run: Run): Promise<void> {
    await vscode.commands.executeCommand('markdown.showPreview', runUri(await runs.completed(run)));
  }
}

async function openTest(run: Run, test: string, connection: Connection): Promise<void> {
  const uri = vscode.Uri.joinPath(vscode.Uri.parse(run.rootUri), run.testsFile);
  const document = await vscode.workspace.openTextDocument(uri);
  const selection = (await linesIn(uri, connection))(test);
  await vscode.window.showTextDocument(document, { selection });
}

/** As in the view: this window's runs, then reruns of tests, then runs of other folders. */
function inOrder(runs: Runs): Run[] {
  const { own, tests, others } = runs.groups();
  return [...own, ...tests, ...others];
}

async function pick(runs: readonly Run[], title: string): Promise<Run | undefined> {
  const now = new Date();
  const items = runs.map((run) => ({
    label: firstLine(runTitle(run), 55),
    description: [stateAndTime(run, now), ...(run.can.includes('redo') ? ['undone'] : [])].join(', '),
    detail: [fileOf(run), run.reason].filter((part) => part !== '').join(': '),
    run,
  }));
  return (await vscode.window.showQuickPick(items, { title: `ML Coach: ${title}`, matchOnDescription: true, matchOnDetail: true }))?.run;
}

/** The program's file, with its folder where that is not the only one open here. */
function fileOf({ programFile, rootUri }: Run): string {
  if (rootUri === '') return programFile;
  return vscode.workspace.asRelativePath(vscode.Uri.joinPath(vscode.Uri.parse(rootUri), programFile));
}

/** An empty file that the command was called on, else the settings' file in that or the active file's folder. */
async function whereToWrite(target: vscode.Uri | undefined): Promise<{ targetUri?: string; documentUri?: string }> {
  const uri = target ?? vscode.window.activeTextEditor?.document.uri;
  // A cell of a notebook, and a file that was never saved, say nothing of where to write.
  if (uri?.scheme !== 'file' || vscode.workspace.getWorkspaceFolder(uri) === undefined) return {};
  const isToFill = target !== undefined && isEmptyPython(await vscode.workspace.openTextDocument(target));
  return isToFill ? { targetUri: uri.toString() } : { documentUri: uri.toString() };
}

/** The Python file that a command is about. One that was never saved is saved first, by the user. */
async function pythonFile(uri: vscode.Uri | undefined): Promise<string> {
  const document = vscode.window.activeTextEditor?.document;
  const found = uri ?? (document?.languageId === 'python' ? document.uri : undefined);
  const inNotebook = found === undefined ? vscode.window.activeNotebookEditor !== undefined : found.scheme === 'vscode-notebook-cell';
  if (inNotebook) throw new Error(NOTEBOOK);
  if (found === undefined) throw new Error('Open a Python file first: this command works on one.');
  if (found.scheme !== 'untitled') return found.toString();
  const saved = await vscode.workspace.save(found);
  if (saved === undefined) throw new vscode.CancellationError();
  return saved.toString();
}

const NOTEBOOK = 'ML Coach works on Python files, not on the cells of a notebook: put the code into a .py file and import it.';
