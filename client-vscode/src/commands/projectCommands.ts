import * as vscode from 'vscode';
import { chosenBy, folderUri, type ProjectTests } from '../runs/projectTests';
import type { Connection } from '../server/connection';

/** The commands on a project's own tests. */
export function projectCommands(
  connection: Connection,
  tests: ProjectTests,
): Record<string, (...args: never[]) => unknown> {
  return {
    /** `from`: a file or a folder in the explorer, a test in the Test Explorer; from the palette all tests. */
    async fixTests(from?: vscode.Uri | vscode.TestItem): Promise<void> {
      const chosen = from === undefined ? { uri: await folderUri() } : from instanceof vscode.Uri ? { uri: from.toString() } : chosenBy(from);
      await connection.execute('mlCoach.fix', chosen);
    },
    showProjectTests: () => tests.show(),
  };
}
