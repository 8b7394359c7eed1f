/** Which file a command is about. */
import * as vscode from 'vscode';
import { isEmptyPython } from './emptyFile';

/** An empty file that the command was called on, else the settings' file in that or the active file's folder. */
export async function whereToWrite(target: vscode.Uri | undefined): Promise<{ targetUri?: string; documentUri?: string }> {
  const uri = target ?? vscode.window.activeTextEditor?.document.uri;
  // A cell of a notebook, and a file that was never saved, say nothing of where to write.
  if (uri?.scheme !== 'file' || vscode.workspace.getWorkspaceFolder(uri) === undefined) return {};
  const isToFill = target !== undefined && isEmptyPython(await vscode.workspace.openTextDocument(target));
  return isToFill ? { targetUri: uri.toString() } : { documentUri: uri.toString() };
}

/** The Python file that a command is about. One that was never saved is saved first, by the user. */
export async function pythonFile(uri: vscode.Uri | undefined): Promise<string> {
  const document = vscode.window.activeTextEditor?.document;
  const found = uri ?? (document?.languageId === 'python' ? document.uri : undefined);
  const inNotebook = found === undefined ? vscode.window.activeNotebookEditor !== undefined : found.scheme === 'vscode-notebook-cell';
  if (inNotebook) throw new Error(NOTEBOOK);
  if (found === undefined) throw new Error('Open a Python file first: this command works on one.');
  if (found.scheme !== 'untitled') return found.toString();
  const saved = await vscode.workspace.save(found);
  if (saved === undefined) throw new vscode.CancellationError();
  return saved.toString();
}

const NOTEBOOK = 'ML Coach works on Python files, not on the cells of a notebook: put the code into a .py file and import it.';
