import * as vscode from 'vscode';
import { NoPythonError } from './locate';
import { uvInstaller } from './python';

/** Starts the server; where that fails, says why and what the user can do about it. */
export async function startOrExplain(log: vscode.LogOutputChannel, start: () => Promise<void>): Promise<void> {
  try {
    await start();
  } catch (error) {
    if (error instanceof vscode.CancellationError) return;
    log.error(error instanceof Error ? error : String(error));
    await explain(error, log, start);
  }
}

async function explain(error: unknown, log: vscode.LogOutputChannel, start: () => Promise<void>): Promise<void> {
  if (error instanceof NoPythonError) {
    await offerPython(error, log, start);
    return;
  }
  const text = `ML Coach's server did not start: ${firstSentence(error)}`;
  const answer = await vscode.window.showErrorMessage(text, 'Try Again', 'Show Log');
  if (answer === 'Try Again') await startOrExplain(log, start);
  if (answer === 'Show Log') log.show();
}

async function offerPython(error: NoPythonError, log: vscode.LogOutputChannel, start: () => Promise<void>): Promise<void> {
  const answer = await vscode.window.showErrorMessage(error.message, 'Install uv', 'Try Again', 'Open Settings');
  if (answer === 'Open Settings') {
    await vscode.commands.executeCommand('workbench.action.openSettings', 'mlCoach.server.command');
  }
  if (answer === 'Install uv') {
    // The line is typed, not run: what a machine downloads and runs is for the user to start.
    const terminal = vscode.window.createTerminal('Install uv');
    terminal.show();
    terminal.sendText(uvInstaller(process.platform), false);
    const text = 'Press Enter in the terminal to install uv, then try again: it brings Python.';
    if ((await vscode.window.showInformationMessage(text, 'Try Again')) !== undefined) await startOrExplain(log, start);
  }
  if (answer === 'Try Again') await startOrExplain(log, start);
}

function firstSentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0] ?? text;
}
