import * as vscode from 'vscode';
import type { Case, TestReport } from '../protocol';
import type { Connection } from '../server/connection';
import { functionOf, lineOfTest } from './pythonTests';
import type { Run } from './runBook';
import type { Runs } from './runs';

/** Shows the generated tests and their outcomes in VS Code's Test Explorer. */
export class TestExplorer implements vscode.Disposable {
  private readonly controller = vscode.tests.createTestController('mlCoach', 'ML Coach');
  private readonly subscription: vscode.Disposable;
  /** The latest report shown of each run. */
  private readonly shown = new Map<string, TestReport>();

  constructor(
    runs: Runs,
    private readonly connection: Connection,
  ) {
    const { Run: run } = vscode.TestRunProfileKind;
    this.controller.createRunProfile('Run with ML Coach', run, (request) => this.rerun(request), true);
    this.subscription = runs.onDidHappen(({ run }) => {
      if (run.judged === undefined || this.shown.get(run.runId) === run.judged) return;
      this.shown.set(run.runId, run.judged);
      this.show(run, run.judged);
    });
  }

  dispose(): void {
    this.subscription.dispose();
    this.controller.dispose();
  }

  private show(run: Run, report: TestReport): void {
    if (run.rootUri === '' || run.testsFile === '') return;
    const uri = vscode.Uri.joinPath(vscode.Uri.parse(run.rootUri), run.testsFile);
    const file = this.controller.createTestItem(uri.toString(), run.testsFile, uri);
    file.children.replace(report.cases.map((test) => this.item(uri, run.suite, test)));
    this.controller.items.add(file);
    const testRun = this.controller.createTestRun(new vscode.TestRunRequest(), run.prompt, false);
    for (const test of report.cases) {
      const item = file.children.get(`${uri.toString()}::${test.name}`);
      if (item !== undefined) record(testRun, item, test);
    }
    if (report.why !== '') testRun.appendOutput(`${report.why}\r\n`);
    testRun.end();
  }

  private item(uri: vscode.Uri, suite: string, test: Case): vscode.TestItem {
    const item = this.controller.createTestItem(`${uri.toString()}::${test.name}`, test.name, uri);
    const line = lineOfTest(suite, functionOf(test.name));
    item.range = new vscode.Range(line, 0, line, 0);
    return item;
  }

  /** The whole file runs: the judge's word is about a suite, not about single tests. */
  private async rerun(request: vscode.TestRunRequest): Promise<void> {
    const chosen = request.include ?? [...this.controller.items].map(([, item]) => item);
    const files = new Set(chosen.flatMap(({ uri }) => (uri === undefined ? [] : [uri.toString()])));
    for (const uri of files) await this.connection.execute('mlCoach.runTests', { uri });
  }
}

function record(run: vscode.TestRun, item: vscode.TestItem, test: Case): void {
  const milliseconds = test.seconds * 1000;
  switch (test.outcome) {
    case 'passed':
      run.passed(item, milliseconds);
      break;
    case 'failed':
      run.failed(item, message(item, test), milliseconds);
      break;
    case 'error':
      run.errored(item, message(item, test), milliseconds);
      break;
    case 'skipped':
    case 'not_run':
      run.skipped(item);
      break;
  }
}

function message(item: vscode.TestItem, test: Case): vscode.TestMessage {
  const found = new vscode.TestMessage(test.message || test.outcome);
  if (item.uri !== undefined) {
    const line = test.line > 0 ? test.line - 1 : (item.range?.start.line ?? 0);
    found.location = new vscode.Location(item.uri, new vscode.Position(line, 0));
  }
  return found;
}
