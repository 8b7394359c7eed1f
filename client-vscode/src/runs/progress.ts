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
  readonly client: LanguageClient;
  readonly title: string;
  readonly cancellable: boolean;
  message: string;
  /** From 0 to 100. */
  percentage: number;
  /** Undefined until VS Code has made the notification, which takes a moment. */
  progress: vscode.Progress<{ message?: string; increment?: number }> | undefined;
  end: () => void;
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
      case 'begin': {
        const { title, cancellable = false } = value;
        this.begin(token, { client, title, cancellable, message: '', percentage: 0, progress: undefined, end: () => undefined });
        this.report(token, value);
        break;
      }
      case 'report':
        this.report(token, value);
        break;
      case 'end':
        this.end(token);
        break;
    }
  }

  /** Shows every notification anew, after all of them were hidden. */
  showAgain(): void {
    for (const [token, shown] of [...this.shown]) {
      shown.end();
      this.begin(token, { ...shown, progress: undefined });
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

  private begin(token: ProgressToken, shown: Shown): void {
    const ended = new Promise<void>((resolve) => { shown.end = resolve; });
    this.shown.set(token, shown);
    const { client, title, cancellable } = shown;
    const location = vscode.ProgressLocation.Notification;
    void vscode.window.withProgress({ location, title, cancellable }, (progress, cancellation) => {
      cancellation.onCancellationRequested(() => {
        void client.sendNotification(WorkDoneProgressCancelNotification.type, { token });
      });
      shown.progress = progress;
      progress.report({ message: shown.message, increment: shown.percentage });
      return ended;
    });
  }

  private report(token: ProgressToken, { message, percentage }: Omit<WorkDoneProgressReport, 'kind'>): void {
    const shown = this.shown.get(token);
    if (shown === undefined) return;
    const increment = Math.max(0, (percentage ?? 0) - shown.percentage);
    shown.percentage += increment;
    shown.progress?.report({ ...(message !== undefined && { message }), increment });
    if (message === undefined) return;
    shown.message = message;
    this.stageEmitter.fire(message);
  }

  private end(token: ProgressToken): void {
    this.shown.get(token)?.end();
    this.shown.delete(token);
    this.stageEmitter.fire([...this.shown.values()].at(-1)?.message ?? '');
  }
}
