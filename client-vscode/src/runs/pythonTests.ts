import * as vscode from 'vscode';
import type { Connection } from '../server/connection';

/** Where the tests of a file stand, by their names without parameters. */
export type LineOf = (testName: string) => vscode.Range;

/** Asks the server, which parses the file; a test that is not in it is shown on the first line. */
export async function linesIn(uri: vscode.Uri, connection: Connection): Promise<LineOf> {
  const { tests } = await connection
    .execute('mlCoach.tests', { uri: uri.toString() })
    .catch(() => ({ tests: [] }));
  const lines = new Map(tests.map(({ name, line }) => [name, line]));
  return (testName) => {
    const line = lines.get(withoutParameters(testName)) ?? 0;
    return new vscode.Range(line, 0, line, 0);
  };
}

/** `TestA::test_b[1-2]` → `TestA::test_b`. */
function withoutParameters(testName: string): string {
  return testName.split('[', 1)[0] ?? testName;
}
