/** What VS Code's Test Explorer is told of a test's outcome. */
import * as vscode from 'vscode';
import type { CaseDetails } from '../protocol';

export function record(run: vscode.TestRun, item: vscode.TestItem, test: CaseDetails): void {
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

function message(item: vscode.TestItem, test: CaseDetails): vscode.TestMessage {
  const found = new vscode.TestMessage(test.message || test.outcome);
  if (item.uri !== undefined) {
    const line = test.line > 0 ? test.line - 1 : (item.range?.start.line ?? 0);
    found.location = new vscode.Location(item.uri, new vscode.Position(line, 0));
  }
  return found;
}
