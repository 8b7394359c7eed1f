import * as vscode from 'vscode';
import type { RunAction, RunDetails, RunWriting } from '../protocol';
import type { Connection } from '../server/connection';
import { type Run, RunBook, type RunGroups, grouped } from './runBook';

/** The window's runs: the book, kept up to date from the server, and word of every change. */
export class Runs implements vscode.Disposable {
  readonly book = new RunBook();
  private readonly changedRun = new vscode.EventEmitter<Run>();
  private readonly wrote = new vscode.EventEmitter<Run>();
  private readonly changed = new vscode.EventEmitter<undefined>();
  private readonly subscription: vscode.Disposable;

  constructor(private readonly connection: Connection) {
    this.subscription = connection.onDidChangeState((state) => {
      if (state === 'ready') {
        void this.refresh();
        return;
      }
      this.book.abandon();
      this.changed.fire(undefined);
    });
  }

  /** A run of now has changed; one that is looked up in the log fires nothing. */
  readonly onDidChangeRun = this.changedRun.event;
  /** The agents of a run have written, some times a second. */
  readonly onDidWrite = this.wrote.event;
  readonly onDidChange = this.changed.event;

  /** Called for each `mlCoach/run`. */
  readonly take = (details: RunDetails): void => {
    const isNew = this.book.get(details.runId) === undefined;
    const run = this.book.take(details);
    this.changedRun.fire(run);
    this.changed.fire(undefined);
    // What can be done with it, and since when it goes on, stands in the server's list.
    if ((isNew || !run.active) && this.connection.state === 'ready') void this.refresh().catch(() => undefined);
  };

  /** Called for each `mlCoach/writing`. */
  readonly write = (writing: RunWriting): void => {
    this.wrote.fire(this.book.write(writing));
  };

  /** Asks the server for its list. */
  async refresh(): Promise<void> {
    const { runs } = await this.connection.execute('mlCoach.runs', {});
    this.book.list(runs);
    this.changed.fire(undefined);
  }

  /** The run with its iterations, fetched where only the summary is known. */
  async completed(run: Run): Promise<Run> {
    if (run.complete) return run;
    return this.book.take(await this.connection.execute('mlCoach.run', { runId: run.runId }));
  }

  /** Runs with which `action` can be done here, newest first. */
  that(action: RunAction): Run[] {
    return this.book.all().filter(({ can }) => can.includes(action));
  }

  groups(): RunGroups {
    return grouped(this.book.all(), isOpenHere);
  }

  dispose(): void {
    vscode.Disposable.from(this.subscription, this.changedRun, this.wrote, this.changed).dispose();
  }
}

/** The folder's own spelling of its URI may differ from the server's. */
function isOpenHere(rootUri: string): boolean {
  if (rootUri === '') return false;
  const { fsPath } = vscode.Uri.parse(rootUri);
  return (vscode.workspace.workspaceFolders ?? []).some(({ uri }) => uri.fsPath === fsPath);
}
