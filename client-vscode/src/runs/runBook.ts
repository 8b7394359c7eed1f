/** The runs that this window knows, as the server tells of them. Nothing here knows VS Code. */
import type { AgentWriting, PatchDetails, RunAction, RunDetails, RunSummary, RunWriting } from '../protocol';

export interface Run extends RunDetails {
  /** Local time in ISO 8601, empty until the server has listed the run. */
  readonly startedAt: string;
  readonly can: readonly RunAction[];
  /** Active in another window or a terminal. */
  readonly elsewhere: boolean;
  /** False where only the summary is known; the rest can be asked for. */
  readonly complete: boolean;
  /** The agents that are writing now. */
  readonly writing: readonly AgentWriting[];
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

  patch(patchId: string): { run: Run; patch: PatchDetails } | undefined {
    for (const run of this.all()) {
      const patch = patchesOf(run).find((one) => one.patchId === patchId);
      if (patch !== undefined) return { run, patch };
    }
    return undefined;
  }

  /** Takes over the server's list: runs of earlier days, and what can be done with each. */
  list(summaries: readonly RunSummary[]): void {
    for (const { runId, rootUri, ...summary } of summaries) {
      const run = this.known(runId);
      const listed = { ...run, ...summary, rootUri: rootUri || run.rootUri };
      // A run may have ended while the list was made; its end is its end.
      const { outcome, reason } = run.outcome === '' ? listed : run;
      this.runs.set(runId, { ...listed, outcome, reason, active: listed.active && outcome === '' });
    }
  }

  /** Takes over all that the server knows of one run. */
  take(details: RunDetails): Run {
    const run = { ...this.known(details.runId), ...details, complete: true };
    this.runs.set(run.runId, run);
    return run;
  }

  /** Notes what the agents of a run write. */
  write({ runId, agents }: RunWriting): Run {
    const run = { ...this.known(runId), writing: agents };
    this.runs.set(runId, run);
    return run;
  }

  /** The server has gone, and what ran in it. */
  abandon(): void {
    for (const run of this.active()) this.runs.set(run.runId, { ...run, active: false, writing: [] });
  }

  private known(runId: string): Run {
    return this.runs.get(runId) ?? { ...UNKNOWN, runId };
  }
}

const UNKNOWN: Run = {
  runId: '', rootUri: '', prompt: '', task: 'generate', programFile: '', testsFile: '', model: '',
  sandbox: '', autoPatch: false, active: false, outcome: '', reason: '', iterations: [], dropped: [],
  saved: [], report: null, summary: '', question: null, startedAt: '', can: [], elsewhere: false, complete: false, writing: [],
};

export interface RunGroups {
  readonly own: readonly Run[];
  /** Runs that only ran tests. */
  readonly tests: readonly Run[];
  /** Runs of folders that are not open here, and of terminals. */
  readonly others: readonly Run[];
}

/** Sorts runs into those of this window's folders, reruns of tests, and those of other places. */
export function grouped(runs: readonly Run[], isOpenHere: (rootUri: string) => boolean): RunGroups {
  const here = runs.filter((run) => run.active || isOpenHere(run.rootUri));
  return {
    own: here.filter(({ task }) => task !== 'test'),
    tests: here.filter(({ task }) => task === 'test'),
    others: runs.filter((run) => !here.includes(run)),
  };
}

/** The newest patch that waits for the user, while its run goes on. */
export function waitingPatch(runs: readonly Run[]): PatchDetails | undefined {
  return runs.filter(({ active }) => active).flatMap(patchesOf).find(({ state }) => state === 'waiting');
}

export function patchesOf(run: Run): PatchDetails[] {
  return run.iterations.flatMap((one) => one.patches);
}
