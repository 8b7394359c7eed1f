import * as vscode from 'vscode';
import type { ServerState } from '../server/connection';

const SERVER: Record<ServerState, { icon: string; text: string; command: string }> = {
  starting: { icon: 'loading~spin', text: 'starting', command: 'mlCoach.ui.showLog' },
  ready: { icon: 'mortar-board', text: '', command: 'mlCoach.ui.generate' },
  stopped: { icon: 'circle-slash', text: 'stopped', command: 'mlCoach.ui.restartServer' },
  failed: { icon: 'error', text: 'not running', command: 'mlCoach.ui.restartServer' },
};

const TOOLTIP: Record<string, string> = {
  'mlCoach.ui.generate': 'Generate a tested program from a prompt',
  'mlCoach.ui.restartServer': 'Start the server',
  'mlCoach.ui.showLog': 'Show the log',
};

/** The item in the status bar: the server's state, or the stage of the run that goes on. */
export class StatusBar implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem('mlCoach', vscode.StatusBarAlignment.Left);
  private server: ServerState = 'stopped';
  private stage = '';
  private waiting: string | undefined;

  constructor() {
    this.item.name = 'ML Coach';
    this.draw();
    this.item.show();
  }

  showServer(state: ServerState): void {
    this.server = state;
    this.draw();
  }

  showStage(stage: string): void {
    this.stage = stage;
    this.draw();
  }

  /** The patch that a run waits with for the user's decision. */
  showWaiting(patchId: string | undefined): void {
    if (patchId === this.waiting) return;
    this.waiting = patchId;
    this.draw();
  }

  dispose(): void {
    this.item.dispose();
  }

  private draw(): void {
    const { icon, text, command } = SERVER[this.server];
    if (this.stage !== '' && this.server === 'ready') {
      this.item.text = `$(loading~spin) ML Coach: ${this.stage}`;
      this.item.tooltip = this.waiting === undefined ? 'Stop the run' : 'Show the patch that waits for you';
      // The question about the patch is a message, which VS Code hides after some seconds.
      this.item.command = this.waiting === undefined
        ? 'mlCoach.ui.stop'
        : { command: 'mlCoach.ui.showDiff', title: 'Show Diff', arguments: [this.waiting] };
      return;
    }
    this.item.text = text === '' ? `$(${icon}) ML Coach` : `$(${icon}) ML Coach: ${text}`;
    this.item.tooltip = TOOLTIP[command];
    this.item.command = command;
    this.item.backgroundColor =
      this.server === 'failed' ? new vscode.ThemeColor('statusBarItem.errorBackground') : undefined;
  }
}
