import * as vscode from 'vscode';
import { unlinked } from '../foreignText';
import type { PatchDetails } from '../protocol';
import { patchesOf, type Run } from '../runs/runBook';
import type { ChatRuns } from '../runs/chatRuns';
import type { RunProgress } from '../runs/progress';
import type { Runs } from '../runs/runs';
import type { Connection } from '../server/connection';
import { firstLine } from '../wording';
import { closeDiff, showDiff } from './diff';

/** Asks the user about each patch as it is offered, and hands the answer to the server. */
export class PatchReview implements vscode.Disposable {
  private readonly subscription: vscode.Disposable;
  /** The patches whose questions are on the screen. */
  private readonly asked = new Set<string>();
  /** Every patch that was seen waiting, until it is settled. */
  private readonly waiting = new Set<string>();

  constructor(
    runs: Runs,
    private readonly connection: Connection,
    private readonly progress: RunProgress,
    private readonly chats: ChatRuns,
  ) {
    this.subscription = runs.onDidChangeRun((run) => { this.follow(run); });
  }

  async show(patchId: string): Promise<void> {
    await showDiff(patchId, await this.connection.execute('mlCoach.patch', { patchId }));
  }

  /** With `all`, later patches of the same run are applied unasked. A refusal is told by the server. */
  async apply(patchId: string, all = false): Promise<void> {
    await this.connection.execute('mlCoach.applyPatch', { patchId, all });
  }

  async discard(patchId: string): Promise<void> {
    const { discarded, reason } = await this.connection.execute('mlCoach.discardPatch', { patchId });
    if (!discarded) void vscode.window.showWarningMessage(unlinked(`ML Coach: ${reason}`));
  }

  dispose(): void {
    this.subscription.dispose();
  }

  private follow(run: Run): void {
    for (const patch of patchesOf(run)) {
      const waits = run.active && patch.state === 'waiting';
      if (waits && !run.autoPatch && !this.waiting.has(patch.patchId)) {
        this.waiting.add(patch.patchId);
        if (!this.chats.has(run.runId)) void this.ask(patch);
      }
      if (!waits && this.waiting.delete(patch.patchId)) void this.putAway(patch.patchId);
    }
  }

  /** Takes a settled patch off the screen, however it was settled. */
  private async putAway(patchId: string): Promise<void> {
    const wasAsked = this.asked.delete(patchId);
    // VS Code lets no extension close a message of its own, only hide all of them; so a question
    // that was answered elsewhere stays where another one is open.
    if (wasAsked && this.asked.size === 0) {
      // Before all else: the message with which the run ends may follow at once, and stays.
      await vscode.commands.executeCommand('notifications.hideToasts');
      this.progress.showAgain();
    }
    await closeDiff(patchId);
  }

  private async ask({ patchId, summary, note }: PatchDetails): Promise<void> {
    const text = unlinked(`ML Coach has a patch: ${firstLine(summary).replace(/\.$/, '')}. ${note}.`);
    const answers = ['Show Diff', 'Apply', 'Apply All', 'Discard'] as const;
    this.asked.add(patchId);
    const answer = await vscode.window.showInformationMessage(text, ...answers);
    this.asked.delete(patchId);
    switch (answer) {
      case 'Show Diff':
        return this.show(patchId);
      case 'Apply':
        return this.apply(patchId);
      case 'Apply All':
        return this.apply(patchId, true);
      case 'Discard':
        return this.discard(patchId);
      case undefined:
        return; // Closed: the patch waits at its diagnostic and in the Runs view.
    }
  }
}
