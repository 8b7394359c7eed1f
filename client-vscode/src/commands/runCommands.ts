import * as vscode from 'vscode';
import { runUri } from '../documents';
import { linesIn } from '../runs/pythonTests';
import type { Run } from '../runs/runBook';
import type { Row } from '../runs/runTree';
import type { Runs } from '../runs/runs';
import { partsOf } from '../runs/testNames';
import type { Connection } from '../server/connection';
import type { RunAction } from '../protocol';
import { firstLine, runTitle, stateAndTime } from '../wording';
import { askForPrompt, askForRefinement, keepPrompt } from './promptBox';
import type { PromptEditor } from './promptEditor';
import { pythonFile, whereToWrite } from './targets';

/** The commands that start, stop, take back and show runs. A row comes from the Runs view, an id from a chat. */
export function runCommands(
  connection: Connection,
  runs: Runs,
  tree: vscode.TreeView<Row>,
  state: vscode.Memento,
  promptEditor: PromptEditor,
): Record<string, (...args: never[]) => unknown> {
  /** The run of the row or with that id, else one of those that `candidates` finds; the user picks where there are several. */
  async function chosen(row: Row | string | undefined, title: string, candidates: () => Run[]): Promise<Run | undefined> {
    if (typeof row === 'string') return runs.book.get(row);
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
      const prompt = await askForRefinement(file);
      if (prompt !== undefined) await connection.execute('mlCoach.refine', { uri: file, prompt });
    },
    async stop(row?: Row): Promise<void> {
      const run = await chosen(row, 'Stop', that('stop'));
      if (run !== undefined) await connection.execute('mlCoach.stop', { runId: run.runId });
    },
    async undoRun(row?: Row | string): Promise<void> {
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
      // The page of an active run would stand still; its log goes on.
      await (run.active ? openLog(run) : openPage(run));
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

  /** The run's page. Programs and models wrote what it shows, so nothing in it is run or fetched. */
  async function openPage(run: Run): Promise<void> {
    const { uri } = await connection.execute('mlCoach.runPage', { runId: run.runId });
    const page = await vscode.workspace.fs.readFile(vscode.Uri.parse(uri));
    const options = { enableScripts: false, enableFindWidget: true, localResourceRoots: [] };
    const panel = vscode.window.createWebviewPanel('mlCoach.run', firstLine(runTitle(run), 40), vscode.ViewColumn.Active, options);
    panel.webview.html = new TextDecoder().decode(page);
  }

  async function openLog(run: Run): Promise<void> {
    await vscode.commands.executeCommand('markdown.showPreview', runUri(await runs.completed(run)));
  }
}

async function openTest(run: Run, test: string, connection: Connection): Promise<void> {
  const { file, names } = run.testsFile === '' ? partsOf(test) : { file: run.testsFile, names: [test] };
  const uri = vscode.Uri.joinPath(vscode.Uri.parse(run.rootUri), file);
  const document = await vscode.workspace.openTextDocument(uri);
  const selection = (await linesIn(uri, connection))(names.join('::'));
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
