import * as vscode from 'vscode';
import { unlinked } from '../foreignText';

/** Registers palette commands. What goes wrong in one is told to the user once, here. */
export function registerCommands(
  log: vscode.LogOutputChannel,
  commands: Readonly<Record<string, (...args: never[]) => unknown>>,
): vscode.Disposable {
  const registered = Object.entries(commands).map(([name, command]) =>
    vscode.commands.registerCommand(`mlCoach.ui.${name}`, async (...args: never[]) => {
      try {
        await command(...args);
      } catch (error) {
        if (!(error instanceof vscode.CancellationError)) await tell(log, error);
      }
    }),
  );
  return vscode.Disposable.from(...registered);
}

export async function tell(log: vscode.LogOutputChannel, error: unknown): Promise<void> {
  const message = error instanceof Error ? error.message : String(error);
  log.error(error instanceof Error ? error : message);
  const answer = await vscode.window.showErrorMessage(unlinked(message), 'Show Log');
  if (answer !== undefined) log.show();
}
