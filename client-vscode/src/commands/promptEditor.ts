import * as vscode from 'vscode';

/**
 * Prompts of several lines, each in an editor of its own: an untitled document from which the command
 * Generate takes its prompt. VS Code's input box has one line only.
 */
export class PromptEditor implements vscode.Disposable {
  /** The file that the command was called on, by the prompt's document. */
  private readonly targets = new Map<string, vscode.Uri | undefined>();
  private readonly subscriptions: vscode.Disposable[];

  constructor() {
    this.subscriptions = [
      vscode.window.onDidChangeActiveTextEditor(() => { this.showButton(); }),
      vscode.workspace.onDidCloseTextDocument(({ uri }) => { this.targets.delete(uri.toString()); }),
    ];
  }

  /** Opens `text` to be written on. */
  async open(text: string, target: vscode.Uri | undefined): Promise<void> {
    const document = await vscode.workspace.openTextDocument({ language: 'markdown', content: text });
    this.targets.set(document.uri.toString(), target);
    await vscode.window.showTextDocument(document, { preview: false });
    this.showButton();
  }

  /** The prompt in the active editor, which is closed; undefined where that holds no prompt. */
  async take(): Promise<{ prompt: string; target: vscode.Uri | undefined } | undefined> {
    const document = this.active();
    if (document === undefined) return undefined;
    const prompt = document.getText().trim();
    if (prompt === '') throw new Error('Say what the program must do.');
    const target = this.targets.get(document.uri.toString());
    // The prompt is in the history and in the run; without the revert VS Code would ask to save it.
    await vscode.commands.executeCommand('workbench.action.revertAndCloseActiveEditor');
    return { prompt, target };
  }

  dispose(): void {
    vscode.Disposable.from(...this.subscriptions).dispose();
  }

  private active(): vscode.TextDocument | undefined {
    const document = vscode.window.activeTextEditor?.document;
    return document !== undefined && this.targets.has(document.uri.toString()) ? document : undefined;
  }

  private showButton(): void {
    void vscode.commands.executeCommand('setContext', 'mlCoach.promptEditor', this.active() !== undefined);
  }
}
