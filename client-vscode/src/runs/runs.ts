import * as vscode from 'vscode';
import type { RunEvent, RunEventParams } from '../protocol';
import type { Connection } from '../server/connection';
import { type Run, RunBook } from './runBook';

/** One thing that happened in a run of now; a replayed log fires none. */
export interface RunHappening {
  readonly run: Run;
  readonly event: RunEvent;
}

/** The window's runs: the book, kept up to date from the server, and word of every change. */
export class Runs implements vscode.Disposable {
  readonly book = new RunBook();
  private readonly happened = new vscode.EventEmitter<RunHappening>();
  private readonly changed = new vscode.EventEmitter<undefined>();
  private readonly subscription: vscode.Disposable;

  constructor(private readonly connection: Connection) {
    this.subscription = connection.onDidChangeState((state) => {
      if (state === 'ready') void this.refresh();
      else this.abandon();
    });
  }

  readonly onDidHappen = this.happened.event;
  readonly onDidChange = this.changed.event;

  /** Called for each `mlCoach/event`. */
  readonly take = ({ runId, rootUri, event }: RunEventParams): void => {
    const run = this.book.add(runId, rootUri, event);
    if (run === undefined) return;
    this.happened.fire({ run, event });
    this.changed.fire(undefined);
  };

  /** The server has gone, and what ran in it. */
  private abandon(): void {
    for (const run of this.book.active()) run.active = false;
    this.changed.fire(undefined);
  }

  /** Asks the server for its list. */
  async refresh(): Promise<void> {
    const { runs } = await this.connection.execute('mlCoach.runs', {});
    this.book.list(runs);
    this.changed.fire(undefined);
  }

  /** The run with its iterations, fetched from its log where only the summary is known. */
  async completed(run: Run): Promise<Run> {
    if (run.complete) return run;
    const { rootUri, events } = await this.connection.execute('mlCoach.events', { runId: run.runId });
    return this.book.replay(run.runId, rootUri, events);
  }

  dispose(): void {
    this.subscription.dispose();
    this.happened.dispose();
    this.changed.dispose();
  }
}
