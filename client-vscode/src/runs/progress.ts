import * as vscode from 'vscode';
import {
  type ProgressToken,
  type WorkDoneProgressBegin,
  WorkDoneProgressCancelNotification,
  type WorkDoneProgressEnd,
  type WorkDoneProgressReport,
} from 'vscode-languageclient';
import type { LanguageClient } from 'vscode-languageclient/node';

type Value = WorkDoneProgressBegin | WorkDoneProgressReport | WorkDoneProgressEnd;

interface Shown {
  readonly progress: vscode.Progress<{ message?: string; increment?: number }>;
  readonly end: () => void;
  percentage: number;
}

/**
 * Shows the server's progress as notifications with Cancel. The client library itself would show it
 * in the status bar, where VS Code has no button to cancel it.
 */
export class RunProgress implements vscode.Disposable {
  private readonly shown = new Map<ProgressToken, Shown>();
  private readonly stageEmitter = new vscode.EventEmitter<string>();

  /** What the latest report says, empty when nothing runs any more. */
  readonly onDidChangeStage = this.stageEmitter.event;

  /** Takes one `$/progress` of `client`. */
  take(client: LanguageClient, token: ProgressToken, value: Value): void {
    switch (value.kind) {
      case 'begin':
        this.begin(client, token, value);
        break;
      case 'report':
        this.report(token, value);
        break;
      case 'end':
        this.end(token);
        break;
    }
  }

  /** The server has gone: nobody is left to end what it began. */
  endAll(): void {
    for (const token of [...this.shown.keys()]) this.end(token);
  }

  dispose(): void {
    this.endAll();
    this.stageEmitter.dispose();
  }

  private begin(client: LanguageClient, token: ProgressToken, value: WorkDoneProgressBegin): void {
    const { title, cancellable = false } = value;
    const location = vscode.ProgressLocation.Notification;
    void vscode.window.withProgress({ location, title, cancellable }, (progress, cancellation) => {
      cancellation.onCancellationRequested(() => {
        void client.sendNotification(WorkDoneProgressCancelNotification.type, { token });
      });
      return new Promise<void>((resolve) => {
        this.shown.set(token, { progress, end: resolve, percentage: 0 });
        this.report(token, { ...value, kind: 'report' });
      });
    });
  }

  private report(token: ProgressToken, { message, percentage }: WorkDoneProgressReport): void {
    const shown = this.shown.get(token);
    if (shown === undefined) return;
    const increment = Math.max(0, (percentage ?? 0) - shown.percentage);
    shown.percentage += increment;
    shown.progress.report({ ...(message !== undefined && { message }), increment });
    if (message !== undefined) this.stageEmitter.fire(message);
  }

  private end(token: ProgressToken): void {
    this.shown.get(token)?.end();
    this.shown.delete(token);
    if (this.shown.size === 0) this.stageEmitter.fire('');
  }
}
