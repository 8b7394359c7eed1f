import * as vscode from 'vscode';

/** Keeps the context `mlCoach.emptyFile` true while the active editor is an empty Python file. */
export function watchEmptyFile(): vscode.Disposable {
  let shown = false;
  const update = (): void => {
    const now = isEmptyPython(vscode.window.activeTextEditor?.document);
    if (now === shown) return;
    shown = now;
    void vscode.commands.executeCommand('setContext', 'mlCoach.emptyFile', now);
  };
  update();
  return vscode.Disposable.from(
    vscode.window.onDidChangeActiveTextEditor(update),
    vscode.workspace.onDidChangeTextDocument(({ document }) => {
      if (document === vscode.window.activeTextEditor?.document) update();
    }),
  );
}

export function isEmptyPython(document: vscode.TextDocument | undefined): boolean {
  if (document?.languageId !== 'python' || document.isUntitled) return false;
  // Long texts are not empty, and reading them at every key stroke would cost.
  return document.lineCount < 10 && document.getText().trim() === '';
}
