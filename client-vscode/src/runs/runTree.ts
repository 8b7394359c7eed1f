import * as vscode from 'vscode';
import type { AgentWriting, CaseDetails, IterationDetails, PatchDetails, StageDetails } from '../protocol';
import { counted, firstLine, runTitle, stateAndTime } from '../wording';
import type { LivePreview } from './livePreview';
import type { Run } from './runBook';
import type { Runs } from './runs';

/** A row of the view: run → iterations → stages, tests and patches. A group holds runs that stand apart. */
export type Row =
  | { readonly kind: 'group'; readonly title: string; readonly runs: readonly Run[] }
  | { readonly kind: 'run'; readonly run: Run }
  | { readonly kind: 'iteration'; readonly run: Run; readonly iteration: IterationDetails }
  | { readonly kind: 'stage'; readonly run: Run; readonly iteration: IterationDetails; readonly index: number }
  | { readonly kind: 'patch'; readonly run: Run; readonly patch: PatchDetails }
  | { readonly kind: 'test'; readonly run: Run; readonly test: CaseDetails };

type StageRow = Row & { kind: 'stage' };

/** Characters of a prompt that leave room for state and time beside it in a side bar of usual width. */
const LABEL = 16;

const { Collapsed, Expanded, None } = vscode.TreeItemCollapsibleState;

export class RunTree implements vscode.TreeDataProvider<Row>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<Row[] | undefined>();
  private readonly subscription: vscode.Disposable;
  /** The rows of stages at work, drawn anew while their agents write. */
  private readonly atWork = new Map<string, StageRow>();

  constructor(
    private readonly runs: Runs,
    private readonly preview: LivePreview,
  ) {
    this.subscription = vscode.Disposable.from(
      runs.onDidChange(() => { this.changed.fire(undefined); }),
      runs.onDidWrite(({ runId }) => {
        const rows = [...this.atWork.values()].filter(({ run }) => run.runId === runId);
        if (rows.length > 0) this.changed.fire(rows);
      }),
    );
  }

  readonly onDidChangeTreeData = this.changed.event;

  dispose(): void {
    this.subscription.dispose();
    this.changed.dispose();
  }

  async getChildren(row?: Row): Promise<Row[]> {
    if (row === undefined) return this.topRows();
    if (row.kind === 'group') return row.runs.map((run) => ({ kind: 'run', run }));
    const { run } = row;
    if (row.kind === 'run') {
      const known = await this.runs.completed(run);
      return known.iterations.map((iteration) => ({ kind: 'iteration', run: known, iteration }));
    }
    if (row.kind === 'iteration') {
      const { iteration } = row;
      const stages = iteration.stages.map((_, index): StageRow => ({ kind: 'stage', run, iteration, index }));
      for (const stage of stages) this.noteWork(stage);
      const patches = iteration.patches.map((patch): Row => ({ kind: 'patch', run, patch }));
      // A patch's own row says more than that there was a stage for it.
      const told = patches.length > 0 ? stages.filter(({ index }) => iteration.stages[index]?.stage !== 'patch') : stages;
      return [...told, ...patches];
    }
    if (row.kind === 'stage' && isLastTestRun(row.iteration, row.index)) {
      return (row.iteration.report?.tests ?? []).map((test) => ({ kind: 'test', run, test }));
    }
    return [];
  }

  getParent(row: Row): Row | undefined {
    if (row.kind === 'group') return undefined;
    if (row.kind !== 'run') return { kind: 'run', run: row.run };
    return this.topRows().find((top) => top.kind === 'group' && top.runs.some(({ runId }) => runId === row.run.runId));
  }

  getTreeItem(row: Row): vscode.TreeItem {
    switch (row.kind) {
      case 'group':
        return groupItem(row.title, row.runs.length);
      case 'run':
        return runItem(row.run, row.run.runId === this.runs.groups().own[0]?.runId);
      case 'iteration':
        return iterationItem(row.run, row.iteration);
      case 'stage': {
        const { runId } = row.run;
        const writing = this.runs.book.get(runId)?.writing ?? [];
        const agent = writing.find(({ stage }) => stage === row.iteration.stages[row.index]?.stage);
        return stageItem(row, agent, agent && this.preview.uriOf(runId, agent.agent));
      }
      case 'patch':
        return patchItem(row.run, row.patch);
      case 'test':
        return testItem(row.run, row.test);
    }
  }

  private topRows(): Row[] {
    const { own, tests, others } = this.runs.groups();
    const groups: Row[] = [
      { kind: 'group', title: 'Test runs', runs: tests },
      { kind: 'group', title: 'Other folders', runs: others },
    ];
    return [...own.map((run): Row => ({ kind: 'run', run })), ...groups.filter((row) => row.kind === 'group' && row.runs.length > 0)];
  }

  private noteWork(row: StageRow): void {
    const id = stageId(row);
    if (isAtWork(row.run, row.iteration.stages[row.index])) this.atWork.set(id, row);
    else this.atWork.delete(id);
  }
}

function groupItem(title: string, size: number): vscode.TreeItem {
  const item = new vscode.TreeItem(title, Collapsed);
  item.id = `group/${title}`;
  item.description = String(size);
  item.iconPath = new vscode.ThemeIcon(title === 'Test runs' ? 'beaker' : 'folder');
  item.contextValue = 'group';
  return item;
}

function runItem(run: Run, isNewest: boolean): vscode.TreeItem {
  const isOpen = run.active || isNewest;
  const item = new vscode.TreeItem(firstLine(runTitle(run), LABEL), isOpen ? Expanded : Collapsed);
  // VS Code keeps a row as the user left it as long as its id stays, so one that folds gets another.
  item.id = isOpen ? run.runId : `${run.runId}/folded`;
  item.description = stateAndTime(run, new Date());
  const folder = run.rootUri === '' ? '' : vscode.Uri.parse(run.rootUri).fsPath;
  item.tooltip = [runTitle(run), run.reason, run.model, folder].filter((line) => line !== '').join('\n\n');
  item.iconPath = outcomeIcon(run);
  item.contextValue = `run.${run.can.join('.')}`;
  return item;
}

function iterationItem(run: Run, iteration: IterationDetails): vscode.TreeItem {
  const isLast = run.iterations.at(-1)?.number === iteration.number;
  const label = `Iteration ${iteration.number} of ${iteration.of}`;
  const item = new vscode.TreeItem(label, isLast ? Expanded : Collapsed);
  item.id = `${run.runId}/${iteration.number}`;
  const { report } = iteration;
  item.iconPath = new vscode.ThemeIcon('circle-outline');
  if (report !== null) {
    const passed = report.tests.filter((one) => one.outcome === 'passed').length;
    item.description = `${passed} of ${counted(report.tests.length, 'test')} passed`;
    item.iconPath = testIcon(passed > 0 && passed === report.tests.length ? 'passed' : 'failed');
  }
  return item;
}

function stageItem(row: StageRow, agent: AgentWriting | undefined, live: vscode.Uri | undefined): vscode.TreeItem {
  const { run, iteration, index } = row;
  const stage = iteration.stages[index];
  const hasTests = isLastTestRun(iteration, index) && iteration.report !== null;
  const item = new vscode.TreeItem(stage?.title ?? '', hasTests ? Expanded : None);
  item.id = stageId(row);
  item.command = { command: 'mlCoach.ui.openLog', title: 'Open Log', arguments: [run.runId] };
  if (!isAtWork(run, stage)) {
    item.iconPath = new vscode.ThemeIcon(stage?.state === 'done' ? 'check' : 'circle-slash');
    return item;
  }
  item.iconPath = new vscode.ThemeIcon('loading~spin');
  if (agent !== undefined) {
    item.description = agent.lines > 0 ? `line ${agent.lines}: ${agent.line}` : agent.doing;
    item.tooltip = `${agent.doing}, ${agent.tokensPerSecond} tokens/s. Click to read along.`;
    // A command of ours loses its arguments when the row is drawn again, which is four times a second.
    if (live !== undefined) item.command = { command: 'vscode.open', title: 'Read Along', arguments: [live, { preserveFocus: true }] };
  }
  return item;
}

function stageId({ run, iteration, index }: StageRow): string {
  return `${run.runId}/${iteration.number}/${index}`;
}

function isAtWork(run: Run, stage: StageDetails | undefined): boolean {
  return run.active && stage?.state === 'running';
}

function patchItem(run: Run, patch: PatchDetails): vscode.TreeItem {
  const item = new vscode.TreeItem(`Patch ${patch.state}`, None);
  item.id = `${run.runId}/patch/${patch.patchId}`;
  item.description = firstLine(patch.summary);
  item.tooltip = `${patch.summary}\n\n${patch.note}`;
  const [icon, color] = ({
    waiting: ['question', 'charts.yellow'],
    applied: ['diff-added', 'charts.green'],
    discarded: ['diff-removed', 'disabledForeground'],
  } as const)[patch.state];
  item.iconPath = new vscode.ThemeIcon(icon, new vscode.ThemeColor(color));
  item.contextValue = `patch.${patch.state}`;
  item.command = { command: 'mlCoach.ui.showDiff', title: 'Show Diff', arguments: [patch.patchId] };
  return item;
}

function testItem(run: Run, test: CaseDetails): vscode.TreeItem {
  const item = new vscode.TreeItem(test.name, None);
  item.id = `${run.runId}/test/${test.name}`;
  item.description = test.outcome === 'passed' ? '' : firstLine(test.message) || test.outcome;
  item.tooltip = test.message || test.outcome;
  item.iconPath = testIcon(test.outcome);
  item.command = { command: 'mlCoach.ui.openTest', title: 'Open Test', arguments: [run.runId, test.name] };
  return item;
}

/** Tests hang under the iteration's last run of them: that is the report that counts. */
function isLastTestRun(iteration: IterationDetails, index: number): boolean {
  return iteration.stages.map(({ stage }) => stage).lastIndexOf('pytest') === index;
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

function testIcon(outcome: CaseDetails['outcome']): vscode.ThemeIcon {
  switch (outcome) {
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
