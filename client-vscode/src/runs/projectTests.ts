import * as vscode from 'vscode';
import type { CaseDetails, ReportDetails } from '../protocol';
import type { Connection } from '../server/connection';
import { firstLine, runTitle } from '../wording';
import { type LineOf, linesIn } from './pythonTests';
import type { Run } from './runBook';
import type { Runs } from './runs';
import { partsOf, testOf } from './testNames';
import { record } from './testOutcomes';

const SETTING = 'showProjectTests';

/** What `mlCoach.fix` is told of the tests to take. */
export interface Chosen {
  readonly uri: string;
  readonly test?: string;
}

/**
 * The project's own tests in the Test Explorer, as ML Coach ran them. Only where the user asked for them:
 * the Python extension has a tree of the same tests.
 */
export class ProjectTests implements vscode.Disposable {
  private controller: vscode.TestController | undefined;
  private readonly subscription: vscode.Disposable;
  /** The latest report shown of each run. */
  private readonly shown = new Map<string, string>();
  /** Runs that the user asked for in the Test Explorer, which shows them as going on. */
  private readonly asked = new Map<string, vscode.TestRun>();

  constructor(
    runs: Runs,
    private readonly connection: Connection,
  ) {
    let turn = Promise.resolve();
    this.subscription = vscode.Disposable.from(
      runs.onDidChangeRun((run) => { turn = turn.then(() => this.follow(run)).catch(() => undefined); }),
      connection.onDidChangeState((state) => {
        if (state !== 'ready') for (const runId of [...this.asked.keys()]) this.end(runId);
      }),
      vscode.workspace.onDidChangeConfiguration((change) => {
        if (change.affectsConfiguration(`mlCoach.${SETTING}`)) this.obeySetting();
      }),
    );
    this.obeySetting();
  }

  /** Shows the tests of the folder that the user is at, run once so that their state is known. */
  async show(): Promise<void> {
    this.open();
    await vscode.commands.executeCommand('workbench.view.testing.focus');
    await this.connection.execute('mlCoach.fix', { uri: await folderUri(), maxIters: 1 });
  }

  dispose(): void {
    this.subscription.dispose();
    this.controller?.dispose();
  }

  private obeySetting(): void {
    if (vscode.workspace.getConfiguration('mlCoach').get<boolean>(SETTING, false)) {
      this.open();
      return;
    }
    this.controller?.dispose();
    this.controller = undefined;
  }

  private open(): vscode.TestController {
    if (this.controller !== undefined) return this.controller;
    const controller = vscode.tests.createTestController('mlCoachProject', "This Project's Tests (ML Coach)");
    const { Run: kind } = vscode.TestRunProfileKind;
    controller.createRunProfile('Run with ML Coach', kind, (request) => this.start(request, { maxIters: 1 }), true);
    controller.createRunProfile('Fix with ML Coach', kind, (request) => this.start(request, {}), false);
    this.shown.clear();
    this.controller = controller;
    return controller;
  }

  private async follow(run: Run): Promise<void> {
    const { controller } = this;
    if (controller === undefined || !isOfProject(run)) return;
    const report = JSON.stringify(run.report);
    if (run.report !== null && this.shown.get(run.runId) !== report) {
      this.shown.set(run.runId, report);
      await this.draw(controller, run, run.report);
    }
    if (!run.active) this.end(run.runId);
  }

  private async draw(controller: vscode.TestController, run: Run, report: ReportDetails): Promise<void> {
    const root = vscode.Uri.parse(run.rootUri);
    const byFile = new Map<string, CaseDetails[]>();
    for (const test of report.tests) {
      const { file } = partsOf(test.name);
      byFile.set(file, [...(byFile.get(file) ?? []), test]);
    }
    const testRun =
      this.asked.get(run.runId) ?? controller.createTestRun(new vscode.TestRunRequest(), firstLine(runTitle(run)), false);
    for (const [file, tests] of byFile) {
      const uri = vscode.Uri.joinPath(root, file);
      const lineOf = await linesIn(uri, this.connection);
      const item = controller.items.get(uri.toString()) ?? controller.createTestItem(uri.toString(), file, uri);
      controller.items.add(item);
      // A run of one test says nothing of the others.
      if (!run.programFile.includes('::')) item.children.replace([]);
      for (const test of tests) record(testRun, this.itemOf(controller, item, test.name, lineOf), test);
    }
    if (report.why !== '') testRun.appendOutput(`${report.why}\r\n`);
    if (!this.asked.has(run.runId)) testRun.end();
  }

  /** The item of a test below that of its file, made where it is missing. */
  private itemOf(controller: vscode.TestController, file: vscode.TestItem, test: string, lineOf: LineOf): vscode.TestItem {
    let item = file;
    const { names } = partsOf(test);
    names.forEach((name, index) => {
      const id = `${item.id}::${name}`;
      const known = item.children.get(id) ?? controller.createTestItem(id, name, file.uri);
      item.children.add(known);
      item = known;
      if (index === names.length - 1) item.range = lineOf(names.join('::'));
    });
    return item;
  }

  private end(runId: string): void {
    this.asked.get(runId)?.end();
    this.asked.delete(runId);
  }

  /** One run: two at once on a project would only be in each other's way. */
  private async start(request: vscode.TestRunRequest, settings: { maxIters?: number }): Promise<void> {
    const { controller } = this;
    if (controller === undefined) return;
    const testRun = controller.createTestRun(request);
    const items = request.include ?? [...controller.items].map(([, item]) => item);
    for (const item of items) everyTest(item, (test) => { testRun.started(test); });
    try {
      const { runId } = await this.connection.execute('mlCoach.fix', { ...(await together(items)), ...settings });
      this.asked.set(runId, testRun);
      testRun.token.onCancellationRequested(() => void this.connection.execute('mlCoach.stop', { runId }));
    } catch (error) {
      testRun.end();
      throw error;
    }
  }
}

/** Whether a run is about the tests of a project, which no single file holds. */
function isOfProject({ rootUri, testsFile, task }: Run): boolean {
  return rootUri !== '' && testsFile === '' && (task === 'fix' || task === 'test');
}

function everyTest(item: vscode.TestItem, use: (test: vscode.TestItem) => void): void {
  if (item.children.size === 0) use(item);
  item.children.forEach((child) => { everyTest(child, use); });
}

/** What holds all of `items`: one test, one file, or the folder. */
async function together(items: readonly vscode.TestItem[]): Promise<Chosen> {
  const [first] = items;
  if (first?.uri === undefined) return { uri: await folderUri() };
  if (items.length === 1) return chosenBy(first);
  const uri = first.uri.toString();
  if (items.every((item) => item.uri?.toString() === uri)) return { uri };
  return { uri: vscode.workspace.getWorkspaceFolder(first.uri)?.uri.toString() ?? uri };
}

/** The tests that an item of ours or of another extension stands for. */
export function chosenBy(item: vscode.TestItem): Chosen {
  if (item.uri === undefined) throw new Error('This test names no file.');
  const test = testOf(named(item));
  return { uri: item.uri.toString(), ...(test === undefined ? {} : { test }) };
}

function named({ label, uri, parent }: vscode.TestItem): Parameters<typeof testOf>[0] {
  return { label, path: uri?.toString(), parent: parent === undefined ? undefined : named(parent) };
}

/** The workspace folder that the user is at. */
export async function folderUri(): Promise<string> {
  const here = vscode.window.activeTextEditor?.document.uri;
  const folders = vscode.workspace.workspaceFolders ?? [];
  const own = here === undefined ? undefined : vscode.workspace.getWorkspaceFolder(here);
  const folder = own ?? (folders.length > 1 ? await vscode.window.showWorkspaceFolderPick() : folders[0]);
  if (folder === undefined) {
    if (folders.length > 1) throw new vscode.CancellationError();
    throw new Error('Open a folder first: ML Coach runs the tests of a project.');
  }
  return folder.uri.toString();
}
