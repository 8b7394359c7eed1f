import * as vscode from 'vscode';
import type { Run } from './runs/runBook';
import type { Runs } from './runs/runs';
import { runText } from './runs/runText';
import type { Connection } from './server/connection';
import { firstLine, runTitle } from './wording';

const SCHEME = 'ml-coach';

/**
 * Read-only documents that exist only in the editor:
 *
 *     ml-coach://before/<file>?<patch id>    ml-coach://after/<file>?<patch id>
 *     ml-coach:/run/<run id>/<what it was asked for>.md
 *     ml-coach:/page/<title>.md
 */
export class Documents implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly subscriptions: vscode.Disposable[];
  private readonly pages = new Map<string, string>();

  constructor(private readonly runs: Runs, private readonly connection: Connection) {
    this.subscriptions = [
      vscode.workspace.registerTextDocumentContentProvider(SCHEME, this),
      runs.onDidChangeRun((run) => { this.changed.fire(runUri(run)); }),
    ];
  }

  readonly onDidChange = this.changed.event;

  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    if (uri.authority !== '') return this.sideOf(uri);
    const [, kind, ...rest] = uri.path.split('/');
    if (kind === 'run') {
      const run = this.runs.book.get(rest[0] ?? '');
      return run === undefined ? '' : runText(run);
    }
    return this.pages.get(rest.join('/')) ?? '';
  }

  private async sideOf(uri: vscode.Uri): Promise<string> {
    const { changes } = await this.connection.execute('mlCoach.patch', { patchId: uri.query });
    const change = changes.find(({ file }) => `/${file}` === uri.path);
    return (uri.authority === 'after' ? change?.after : change?.before) ?? '';
  }

  /** Shows a text in Markdown as a page. */
  async showPage(title: string, text: string): Promise<void> {
    const uri = vscode.Uri.from({ scheme: SCHEME, path: `/page/${title}.md` });
    this.pages.set(`${title}.md`, text);
    this.changed.fire(uri);
    await vscode.commands.executeCommand('markdown.showPreview', uri);
  }

  dispose(): void {
    vscode.Disposable.from(this.changed, ...this.subscriptions).dispose();
  }
}

export function runUri(run: Run): vscode.Uri {
  // The last part names the tab.
  const title = firstLine(runTitle(run), 40).replace(/[/\\]/g, ' ');
  return vscode.Uri.from({ scheme: SCHEME, path: `/run/${run.runId}/${title}.md` });
}

export function patchUris(patchId: string, file: string): { before: vscode.Uri; after: vscode.Uri } {
  // With one path for both VS Code shows a changed file, and not a renamed one.
  const at = (side: string): vscode.Uri => vscode.Uri.from({ scheme: SCHEME, authority: side, path: `/${file}`, query: patchId });
  return { before: at('before'), after: at('after') };
}

/** The patch whose diff `uri` belongs to. */
export function patchIdOf(uri: vscode.Uri): string | undefined {
  return uri.scheme === SCHEME && uri.query !== '' ? uri.query : undefined;
}
