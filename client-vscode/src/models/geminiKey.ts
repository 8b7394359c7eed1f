import * as vscode from 'vscode';

const SECRET = 'mlCoach.googleApiKey';

/** Gemini's key, in VS Code's secret storage. It goes into the server's environment only. */
export class GeminiKey {
  constructor(private readonly secrets: vscode.SecretStorage) {}

  readonly onDidChange: vscode.Event<unknown> = (listener, self, disposables) =>
    this.secrets.onDidChange(({ key }) => { if (key === SECRET) listener.call(self, undefined); }, undefined, disposables);

  /** The variables that the server reads it from; none where no key is stored. */
  async environment(): Promise<Record<string, string>> {
    const key = await this.secrets.get(SECRET);
    return key === undefined ? {} : { GOOGLE_API_KEY: key };
  }

  /** Asks for a key; an empty answer forgets the stored one, Escape changes nothing. */
  async ask(): Promise<void> {
    const key = await vscode.window.showInputBox({
      title: 'ML Coach: Gemini API key',
      prompt: 'Kept in VS Code’s secret storage and handed to ML Coach’s server only. Leave it empty to remove it.',
      password: true,
      ignoreFocusOut: true,
    });
    if (key === undefined) return;
    await (key.trim() === '' ? this.secrets.delete(SECRET) : this.secrets.store(SECRET, key.trim()));
  }
}
