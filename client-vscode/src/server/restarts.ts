import * as vscode from 'vscode';
import { unlinked } from '../foreignText';
import type { Run } from '../runs/runBook';
import type { Runs } from '../runs/runs';
import { firstLine, runTitle } from '../wording';
import type { Connection } from './connection';

/** Restarts the server for a cause; asks first while a run is active, and offers to resume what ended. */
export class Restarts implements vscode.Disposable {
  /** The cause of a restart that waits for the runs to be over. */
  private waiting = '';
  private readonly subscription: vscode.Disposable;

  constructor(
    private readonly connection: Connection,
    private readonly runs: Runs,
    /** Starts the server and tells what goes wrong. */
    private readonly start: (step: () => Promise<void>) => Promise<void>,
  ) {
    this.subscription = runs.onDidChange(() => {
      if (this.waiting !== '' && this.active().length === 0) void this.now(this.waiting);
    });
  }

  /** `cause` is a part of a sentence: "The Gemini API key was changed". */
  async because(cause: string): Promise<void> {
    const active = this.active();
    if (active.length === 0) return this.now(cause);
    const isAsked = this.waiting !== '';
    this.waiting = cause;
    if (isAsked) return;
    const answer = await vscode.window.showWarningMessage(
      unlinked(`${cause}. ML Coach's server restarts for that, which ends ${named(active)}.`),
      'Restart Now', 'Restart Afterwards',
    );
    // The runs may be over by now, and the server restarted.
    if (answer === 'Restart Now' && this.waiting !== '') await this.now(this.waiting);
  }

  /** The user asks for it, so that there is a way back. */
  async byHand(): Promise<void> {
    const active = this.active();
    if (active.length > 0) {
      const text = `The restart ends ${named(active)}. It can be resumed afterwards.`;
      if ((await vscode.window.showWarningMessage(text, { modal: true }, 'Restart')) === undefined) return;
    }
    await this.now('You restarted the server');
  }

  dispose(): void {
    this.subscription.dispose();
  }

  private async now(cause: string): Promise<void> {
    this.waiting = '';
    const ended: Run[] = [];
    await this.start(async () => {
      ended.push(...(await this.end(`${cause}, which ended the run.`)));
      await this.connection.restart();
    });
    for (const run of ended) void this.offerToResume(run);
  }

  /** Ends the active runs, so that the reason stands in their reports. */
  private async end(reason: string): Promise<Run[]> {
    const active = this.active();
    if (active.length === 0) return [];
    await this.connection.execute('mlCoach.stop', { reason });
    return active.map((run) => ({ ...run, reason }));
  }

  private async offerToResume(run: Run): Promise<void> {
    const text = unlinked(`${run.programFile}: ${run.reason}`);
    const answer = await vscode.window.showInformationMessage(text, 'Resume');
    if (answer === 'Resume') await vscode.commands.executeCommand('mlCoach.ui.resumeRun', { kind: 'run', run });
  }

  private active(): Run[] {
    if (this.connection.state !== 'ready') return [];
    return this.runs.book.active().filter(({ elsewhere }) => !elsewhere);
  }
}

function named(runs: readonly Run[]): string {
  const [only] = runs;
  return runs.length === 1 && only !== undefined ? `the run “${firstLine(runTitle(only), 40)}”` : `${runs.length} runs`;
}
