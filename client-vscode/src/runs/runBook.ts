/** What is known of each run, built up from `mlCoach/event`. Plain data: nothing here knows VS Code. */
import type { Outcome, Patch, RunEvent, RunSummary, Task, TestReport } from '../protocol';

export interface OfferedPatch {
  readonly id: string;
  readonly patch: Patch;
  readonly summary: string;
  state: 'waiting' | 'applied' | 'discarded';
  /** What it would bring, or why it was not taken. */
  note: string;
}

export interface Iteration {
  readonly number: number;
  readonly of: number;
  /** In the order they began; the last one of the last iteration is under way while the run is. */
  readonly stages: string[];
  readonly patches: OfferedPatch[];
  report?: TestReport;
}

export interface Run {
  readonly runId: string;
  rootUri: string;
  prompt: string;
  model: string;
  sandbox: string;
  task: Task;
  programFile: string;
  testsFile: string;
  /** Whether patches are applied unasked: by the setting, or since the user said "all". */
  autoPatch: boolean;
  dropped: readonly { test: string; reason: string }[];
  outcome: Outcome | '';
  reason: string;
  /** False for a run that has ended, or that a server took with it when it died. */
  active: boolean;
  /** False where only the summary is known; its events can still be asked for. */
  complete: boolean;
  readonly iterations: Iteration[];
  /** What the tests say of the program in the files, which a patch on trial has not changed yet. */
  judged?: TestReport;
  onTrial: boolean;
}

export class RunBook {
  private readonly runs = new Map<string, Run>();

  /** Newest first: a run's id begins with its time. */
  all(): Run[] {
    return [...this.runs.values()].sort((a, b) => (a.runId < b.runId ? 1 : -1));
  }

  active(): Run[] {
    return this.all().filter((run) => run.active);
  }

  get(runId: string): Run | undefined {
    return this.runs.get(runId);
  }

  patch(patchId: string): { run: Run; offered: OfferedPatch } | undefined {
    for (const run of this.all()) {
      const offered = patchesOf(run).find((patch) => patch.id === patchId);
      if (offered !== undefined) return { run, offered };
    }
    return undefined;
  }

  /** Takes over the server's list: runs of earlier days, and those that ended with a server. */
  list(summaries: readonly RunSummary[]): void {
    for (const { runId, ...summary } of summaries) {
      const run = this.runs.get(runId) ?? { ...newRun(runId), complete: false };
      // The server clears up for a moment after it told of a run's end; its end is its end.
      const outcome = run.outcome || summary.outcome;
      this.runs.set(runId, Object.assign(run, summary, { outcome, active: summary.active && outcome === '' }));
    }
  }

  /** Replaces what is known of a run by its whole log. */
  replay(runId: string, rootUri: string, events: readonly RunEvent[]): Run {
    const active = this.runs.get(runId)?.active ?? false;
    this.runs.set(runId, newRun(runId));
    for (const event of events) this.add(runId, rootUri, event);
    return Object.assign(this.run(runId), { active });
  }

  /** Notes one event. Undefined where it changes nothing that is kept here. */
  add(runId: string, rootUri: string, event: RunEvent): Run | undefined {
    const run = this.run(runId);
    run.rootUri = rootUri || run.rootUri;
    return this.note(run, event) ? run : undefined;
  }

  private run(runId: string): Run {
    const run = this.runs.get(runId) ?? newRun(runId);
    this.runs.set(runId, run);
    return run;
  }

  private note(run: Run, event: RunEvent): boolean {
    switch (event.event) {
      case 'RunStarted':
        run.active = true;
        run.prompt = event.request.prompt;
        run.task = event.request.task;
        run.programFile = event.request.program_file;
        run.testsFile = event.request.tests_file;
        run.autoPatch = event.request.auto_patch;
        run.model = event.model;
        break;
      case 'StageStarted':
        iteration(run, event.iteration, event.of).stages.push(event.stage);
        // From the first thought of another program until one is applied or discarded.
        if (event.stage === 'code' || event.stage === 'debug') run.onTrial = run.judged !== undefined;
        break;
      case 'SuiteWritten':
        run.testsFile = event.suite.file;
        break;
      case 'FilesSaved':
        break; // Nothing to keep, but what is shown of the files has to follow.
      case 'SuiteFiltered':
        run.dropped = event.dropped;
        break;
      case 'TestsFinished':
        latest(run).report = event.report;
        if (!run.onTrial) run.judged = event.report;
        break;
      case 'PatchOffered': {
        const { patch_id: id, patch, summary, passed, total } = event;
        const note = `${passed} of ${total} tests pass with it`;
        latest(run).patches.push({ id, patch, summary, state: 'waiting', note });
        break;
      }
      case 'PatchApplied':
        settle(run, event.patch, 'applied', event.summary, event.patch_id);
        run.onTrial = false;
        Object.assign(run, { judged: latest(run).report });
        break;
      case 'PatchDiscarded':
        if (event.patch !== null) settle(run, event.patch, 'discarded', event.reason, event.patch_id);
        run.onTrial = false;
        break;
      case 'RunFinished':
        run.active = false;
        run.outcome = event.report.outcome;
        run.reason = event.report.reason;
        run.sandbox = event.report.sandbox;
        break;
      default:
        return false;
    }
    return true;
  }
}

/** The newest patch that waits for the user, while its run goes on. */
export function waitingPatch(runs: readonly Run[]): OfferedPatch | undefined {
  return runs.flatMap(patchesOf).find(({ state }) => state === 'waiting');
}

export function patchesOf(run: Run): OfferedPatch[] {
  return run.iterations.flatMap((one) => one.patches);
}

function newRun(runId: string): Run {
  return {
    runId, rootUri: '', prompt: '', model: '', sandbox: '', task: 'generate',
    programFile: '', testsFile: '', autoPatch: false, dropped: [],
    outcome: '', reason: '', active: false, complete: true, iterations: [], onTrial: false,
  };
}

function iteration(run: Run, number: number, of: number): Iteration {
  const known = run.iterations.find((one) => one.number === number);
  if (known !== undefined) return known;
  const added: Iteration = { number, of, stages: [], patches: [] };
  run.iterations.push(added);
  return added;
}

function latest(run: Run): Iteration {
  return run.iterations.at(-1) ?? iteration(run, 1, 1);
}

/** An offer comes before its end, except for patches that are tried, or applied, unasked. */
function settle(
  run: Run, patch: Patch, state: 'applied' | 'discarded', note: string, id: string | undefined,
): void {
  const offered = patchesOf(run).find((one) => one.patch.text === patch.text);
  if (offered === undefined) {
    latest(run).patches.push({ id: id ?? `${run.runId}:${patchesOf(run).length}`, patch, summary: note, state, note });
    return;
  }
  offered.state = state;
  offered.note = state === 'applied' ? 'applied' : note;
}
