import * as vscode from 'vscode';
import type { ReportDetails } from '../protocol';
import type { Connection } from '../server/connection';
import { firstLine, runTitle } from '../wording';
import { type LineOf, linesIn } from './pythonTests';
import type { Run } from './runBook';
import type { Runs } from './runs';
import { record } from './testOutcomes';

/** Shows the generated tests and their outcomes in VS Code's Test Explorer. */
export class TestExplorer implements vscode.Disposable {
  private readonly controller = vscode.tests.createTestController('mlCoach', 'ML Coach');
  private readonly subscription: vscode.Disposable;
  /** The latest report shown of each run. */
  private readonly shown = new Map<string, string>();
  /** Runs that the user asked for in the Test Explorer, which shows them as going on. */
  private readonly asked = new Map<string, vscode.TestRun>();

  constructor(
    private readonly runs: Runs,
    private readonly connection: Connection,
  ) {
    // VS Code asks when the Test Explorer is opened: what earlier windows made is shown then.
    this.controller.resolveHandler = (item) => (item === undefined ? this.findEarlier() : undefined);
    const { Run: kind } = vscode.TestRunProfileKind;
    this.controller.createRunProfile('Run with ML Coach', kind, (request) => this.rerun(request), true);
    const gone = connection.onDidChangeState((state) => {
      if (state !== 'ready') for (const runId of [...this.asked.keys()]) this.end(runId);
    });
    // Reading a document takes a moment; what happened first is shown first all the same.
    let turn = Promise.resolve();
    const changed = runs.onDidChangeRun((run) => {
      turn = turn.then(() => this.follow(run)).catch(() => undefined);
    });
    this.subscription = vscode.Disposable.from(gone, changed);
  }

  dispose(): void {
    this.subscription.dispose();
    this.controller.dispose();
  }

  /** Shows the tests that finished runs left in the folders open here, each file's latest report. */
  private async findEarlier(): Promise<void> {
    await this.runs.refresh();
    const seen = new Set<string>();
    for (const run of this.runs.groups().own.filter(({ active }) => !active)) {
      if (seen.has(run.programFile)) continue;
      seen.add(run.programFile);
      const whole = await this.runs.completed(run);
      const uri = testsOf(whole);
      if (uri === undefined || this.controller.items.get(uri.toString()) !== undefined) continue;
      // A file that was deleted since has no tests.
      const isThere = await vscode.workspace.fs.stat(uri).then(() => true, () => false);
      if (isThere) await this.follow(whole);
    }
  }

  private async follow(run: Run): Promise<void> {
    const uri = testsOf(run);
    const report = JSON.stringify(run.report);
    const isNew = this.shown.get(run.runId) !== report;
    // A run changes many times a second, its tests only with a report or at its end.
    if (run.report !== null && uri !== undefined && (isNew || !run.active)) {
      const lineOf = await linesIn(uri, this.connection);
      if (isNew) {
        this.shown.set(run.runId, report);
        this.show(run, run.report, uri, lineOf);
      }
      this.controller.items.get(uri.toString())?.children.forEach((item) => { item.range = lineOf(item.label); });
    }
    if (!run.active) this.end(run.runId);
  }

  private show(run: Run, report: ReportDetails, uri: vscode.Uri, lineOf: LineOf): void {
    const file = this.controller.createTestItem(uri.toString(), run.testsFile, uri);
    file.children.replace(report.tests.map((test) => {
      const item = this.controller.createTestItem(`${uri.toString()}::${test.name}`, test.name, uri);
      item.range = lineOf(test.name);
      item.description = test.provenance;
      return item;
    }));
    this.controller.items.add(file);
    const testRun =
      this.asked.get(run.runId) ??
      this.controller.createTestRun(new vscode.TestRunRequest(), firstLine(runTitle(run)), false);
    for (const test of report.tests) {
      const item = file.children.get(`${uri.toString()}::${test.name}`);
      if (item !== undefined) record(testRun, item, test);
    }
    if (report.why !== '') testRun.appendOutput(`${report.why}\r\n`);
    if (!this.asked.has(run.runId)) testRun.end();
  }

  private end(runId: string): void {
    this.asked.get(runId)?.end();
    this.asked.delete(runId);
  }

  /** The whole file runs: the judge's word is about a suite, not about single tests. */
  private async rerun(request: vscode.TestRunRequest): Promise<void> {
    const chosen = request.include ?? [...this.controller.items].map(([, item]) => item);
    const files = new Map(chosen.map((item) => [item.uri?.toString() ?? '', item.parent ?? item]));
    for (const [uri, file] of files) {
      const testRun = this.controller.createTestRun(request);
      file.children.forEach((item) => { testRun.started(item); });
      try {
        const { runId } = await this.connection.execute('mlCoach.runTests', { uri });
        this.asked.set(runId, testRun);
        testRun.token.onCancellationRequested(() => void this.connection.execute('mlCoach.stop', { runId }));
      } catch (error) {
        testRun.end();
        throw error;
      }
    }
  }
}

function testsOf({ rootUri, testsFile }: Run): vscode.Uri | undefined {
  return rootUri === '' || testsFile === '' ? undefined : vscode.Uri.joinPath(vscode.Uri.parse(rootUri), testsFile);
}
