import * as vscode from 'vscode';
import { patchIdOf, patchUris } from '../documents';
import type { PatchFiles } from '../protocol';

/** The patches over several files that were shown, by the titles of their tabs. VS Code tells no extension what such a tab shows. */
const together = new Map<string, string>();

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
  together.set(title, patchId);
  const rows = sides.map(({ before, after }) => [after, before, after]);
  await vscode.commands.executeCommand('vscode.changes', title, rows);
}

/** Keeps the context `mlCoach.patchTab` true while the active tab shows a patch over several files. */
export function watchPatchTabs(): vscode.Disposable {
  const update = (): void => {
    const tab = vscode.window.tabGroups.activeTabGroup.activeTab;
    void vscode.commands.executeCommand('setContext', 'mlCoach.patchTab', tab !== undefined && shownTogether(tab) !== undefined);
  };
  return vscode.Disposable.from(
    vscode.window.tabGroups.onDidChangeTabs(update),
    vscode.window.tabGroups.onDidChangeTabGroups(update),
  );
}

/** The patch shown in the active tab, for the buttons in its title. */
export function patchInActiveTab(): string | undefined {
  const tab = vscode.window.tabGroups.activeTabGroup.activeTab;
  return tab === undefined ? undefined : patchIn(tab);
}

/** Closes the diff editors of a patch that is settled. */
export async function closeDiff(patchId: string): Promise<void> {
  const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs).filter((tab) => patchIn(tab) === patchId);
  for (const [title, shown] of together) if (shown === patchId) together.delete(title);
  if (tabs.length > 0) await vscode.window.tabGroups.close(tabs);
}

function patchIn(tab: vscode.Tab): string | undefined {
  return tab.input instanceof vscode.TabInputTextDiff ? patchIdOf(tab.input.modified) : shownTogether(tab);
}

function shownTogether({ input, label }: vscode.Tab): string | undefined {
  // VS Code adds the number of files to the title.
  const isOther = input instanceof vscode.TabInputText || input instanceof vscode.TabInputTextDiff;
  return isOther ? undefined : [...together].find(([title]) => label.startsWith(title))?.[1];
}
