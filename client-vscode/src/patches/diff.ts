import * as vscode from 'vscode';
import { patchIdOf, patchUris } from '../documents';
import type { PatchFiles } from '../protocol';

/** Opens a patch in VS Code's own diff editor; in the multi-file one where it touches several. */
export async function showDiff(patchId: string, { changes }: PatchFiles): Promise<void> {
  const files = changes.map(({ file }) => file.split('/').at(-1)).join(', ');
  const title = `${files} (ML Coach patch)`;
  const sides = changes.map(({ file }) => patchUris(patchId, file));
  const [only] = sides;
  if (sides.length === 1 && only !== undefined) {
    await vscode.commands.executeCommand('vscode.diff', only.before, only.after, title, { preview: false });
    return;
  }
  const rows = sides.map(({ before, after }) => [after, before, after]);
  await vscode.commands.executeCommand('vscode.changes', title, rows);
}

/** The patch shown in the active tab, for the buttons in its title. */
export function patchInActiveTab(): string | undefined {
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  return input instanceof vscode.TabInputTextDiff ? patchIdOf(input.modified) : undefined;
}

/** Closes the diff editors of a patch that is settled. */
export async function closeDiff(patchId: string): Promise<void> {
  const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs).filter(({ input }) =>
    input instanceof vscode.TabInputTextDiff && patchIdOf(input.modified) === patchId,
  );
  if (tabs.length > 0) await vscode.window.tabGroups.close(tabs);
}
