import * as vscode from 'vscode';
import type { Case } from '../protocol';
import { counted, firstLine, outcomeName, runTitle, stageName } from '../wording';
import type { Iteration, OfferedPatch, Run } from './runBook';
import type { Runs } from './runs';

/** A row of the view: run → iterations → stages, tests and patches. */
export type Row =
  | { readonly kind: 'run'; readonly run: Run }
  | { readonly kind: 'iteration'; readonly run: Run; readonly iteration: Iteration }
  | { readonly kind: 'stage'; readonly run: Run; readonly iteration: Iteration; readonly index: number }
  | { readonly kind: 'patch'; readonly run: Run; readonly patch: OfferedPatch }
  | { readonly kind: 'test'; readonly run: Run; readonly test: Case };

/** Characters of a prompt that leave room for the outcome beside it in a side bar of usual width. */
const LABEL = 20;

const { Collapsed, Expanded, None } = vscode.TreeItemCollapsibleState;

export class RunTree implements vscode.TreeDataProvider<Row> {
  readonly onDidChangeTreeData: vscode.Event<undefined>;

  constructor(private readonly runs: Runs) {
    this.onDidChangeTreeData = runs.onDidChange;
  }

  async getChildren(row?: Row): Promise<Row[]> {
    if (row === undefined) return this.runs.book.all().map((run) => ({ kind: 'run', run }));
    const { run } = row;
    if (row.kind === 'run') {
      const known = await this.runs.completed(run);
      return known.iterations.map((iteration) => ({ kind: 'iteration', run: known, iteration }));
    }
    if (row.kind === 'iteration') {
      const { iteration } = row;
      const stages = iteration.stages.map((_, index): Row => ({ kind: 'stage', run, iteration, index }));
      const patches = iteration.patches.map((patch): Row => ({ kind: 'patch', run, patch }));
      // A patch's own row says more than that there was a stage for it.
      const told = patches.length > 0 ? stages.filter((_, index) => iteration.stages[index] !== 'patch') : stages;
      return [...told, ...patches];
    }
    if (row.kind === 'stage' && isLastTestRun(row.iteration, row.index)) {
      return (row.iteration.report?.cases ?? []).map((test) => ({ kind: 'test', run, test }));
    }
    return [];
  }

  getParent(row: Row): Row | undefined {
    return row.kind === 'run' ? undefined : { kind: 'run', run: row.run };
  }

  getTreeItem(row: Row): vscode.TreeItem {
    switch (row.kind) {
      case 'run':
        return runItem(row.run);
      case 'iteration':
        return iterationItem(row.run, row.iteration);
      case 'stage':
        return stageItem(row.run, row.iteration, row.index);
      case 'patch':
        return patchItem(row.run, row.patch);
      case 'test':
        return testItem(row.run, row.test);
    }
  }
}

function runItem(run: Run): vscode.TreeItem {
  const item = new vscode.TreeItem(firstLine(runTitle(run), LABEL), run.active ? Expanded : Collapsed);
  item.id = run.runId;
  item.description = outcomeName(run.outcome, run.active);
  item.tooltip = [runTitle(run), run.reason, run.model].filter((line) => line !== '').join('\n\n');
  item.iconPath = outcomeIcon(run);
  item.contextValue = `run.${run.active ? 'active' : run.outcome || 'unfinished'}`;
  return item;
}

function iterationItem(run: Run, iteration: Iteration): vscode.TreeItem {
  const isLast = run.iterations.at(-1) === iteration;
  const label = `Iteration ${iteration.number} of ${iteration.of}`;
  const item = new vscode.TreeItem(label, isLast ? Expanded : Collapsed);
  item.id = `${run.runId}/${iteration.number}`;
  const { report } = iteration;
  if (report !== undefined) {
    const passed = report.cases.filter((one) => one.outcome === 'passed').length;
    item.description = `${passed} of ${counted(report.cases.length, 'test')} passed`;
  }
  item.iconPath = new vscode.ThemeIcon('sync');
  return item;
}

function stageItem(run: Run, iteration: Iteration, index: number): vscode.TreeItem {
  const running = run.active && run.iterations.at(-1) === iteration && index === iteration.stages.length - 1;
  const hasTests = isLastTestRun(iteration, index) && iteration.report !== undefined;
  const item = new vscode.TreeItem(stageName(iteration.stages[index] ?? ''), hasTests ? Expanded : None);
  item.id = `${run.runId}/${iteration.number}/${index}`;
  item.iconPath = new vscode.ThemeIcon(running ? 'loading~spin' : 'check');
  item.command = { command: 'mlCoach.ui.openLog', title: 'Open Log', arguments: [run.runId] };
  return item;
}

function patchItem(run: Run, patch: OfferedPatch): vscode.TreeItem {
  const item = new vscode.TreeItem(`Patch ${patch.state}`, None);
  item.id = `${run.runId}/patch/${patch.id}`;
  item.description = firstLine(patch.summary);
  item.tooltip = `${patch.summary}\n\n${patch.note}`;
  const [icon, color] = ({
    waiting: ['question', 'charts.yellow'],
    applied: ['diff-added', 'charts.green'],
    discarded: ['diff-removed', 'disabledForeground'],
  } as const)[patch.state];
  item.iconPath = new vscode.ThemeIcon(icon, new vscode.ThemeColor(color));
  item.contextValue = `patch.${patch.state}`;
  item.command = { command: 'mlCoach.ui.showDiff', title: 'Show Diff', arguments: [patch.id] };
  return item;
}

function testItem(run: Run, test: Case): vscode.TreeItem {
  const item = new vscode.TreeItem(test.name, None);
  item.id = `${run.runId}/test/${test.name}`;
  item.description = test.outcome === 'passed' ? '' : firstLine(test.message) || test.outcome;
  item.tooltip = test.message || test.outcome;
  item.iconPath = testIcon(test);
  item.command = { command: 'mlCoach.ui.openTest', title: 'Open Test', arguments: [run.runId, test.name] };
  return item;
}

/** Tests hang under the iteration's last run of them: that is the report that counts. */
function isLastTestRun(iteration: Iteration, index: number): boolean {
  return iteration.stages.lastIndexOf('pytest') === index;
}

function outcomeIcon(run: Run): vscode.ThemeIcon {
  if (run.active) return new vscode.ThemeIcon('loading~spin');
  switch (run.outcome) {
    case 'passed':
      return new vscode.ThemeIcon('pass', new vscode.ThemeColor('testing.iconPassed'));
    case 'unsure':
      return new vscode.ThemeIcon('question', new vscode.ThemeColor('testing.iconQueued'));
    case 'stopped':
      return new vscode.ThemeIcon('debug-stop');
    case 'gave_up':
    case 'failed':
      return new vscode.ThemeIcon('error', new vscode.ThemeColor('testing.iconFailed'));
    case '':
      return new vscode.ThemeIcon('circle-slash');
  }
}

function testIcon(test: Case): vscode.ThemeIcon {
  switch (test.outcome) {
    case 'passed':
      return new vscode.ThemeIcon('testing-passed-icon', new vscode.ThemeColor('testing.iconPassed'));
    case 'failed':
      return new vscode.ThemeIcon('testing-failed-icon', new vscode.ThemeColor('testing.iconFailed'));
    case 'error':
      return new vscode.ThemeIcon('testing-error-icon', new vscode.ThemeColor('testing.iconErrored'));
    case 'skipped':
    case 'not_run':
      return new vscode.ThemeIcon('testing-skipped-icon', new vscode.ThemeColor('testing.iconSkipped'));
  }
}
