import * as vscode from 'vscode';
import { NoPythonError } from './locate';

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
  const noPython = error instanceof NoPythonError;
  const text = noPython ? error.message : `ML Coach's server did not start: ${firstSentence(error)}`;
  const answers = ['Try Again', noPython ? 'Open Settings' : 'Show Log'] as const;
  const answer = await vscode.window.showErrorMessage(text, ...answers);
  if (answer === 'Try Again') await startOrExplain(log, start);
  if (answer === 'Show Log') log.show();
  if (answer === 'Open Settings') {
    await vscode.commands.executeCommand('workbench.action.openSettings', 'mlCoach.server.command');
  }
}

function firstSentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0] ?? text;
}
