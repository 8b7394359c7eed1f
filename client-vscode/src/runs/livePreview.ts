import * as vscode from 'vscode';
import type { RunWriting } from '../protocol';
import { type LiveText, LiveTexts } from './liveTexts';
import type { Run } from './runBook';
import type { Runs } from './runs';

const SCHEME = 'ml-coach-live';

/** Read-only tabs in which an agent's reply grows as it comes: `ml-coach-live:/<title>?<run id>/<agent>`. */
export class LivePreview implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly texts = new LiveTexts();
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly subscription: vscode.Disposable;
  /** What the user had before them as each run began. */
  private readonly before = new Map<string, string>();

  constructor(private readonly runs: Runs) {
    this.subscription = vscode.Disposable.from(
      vscode.workspace.registerTextDocumentContentProvider(SCHEME, this),
      vscode.workspace.onDidChangeTextDocument(({ document }) => {
        if (document.uri.scheme === SCHEME) followEnd(document);
      }),
      runs.onDidChangeRun((run) => { this.follow(run); }),
    );
  }

  readonly onDidChange = this.changed.event;

  provideTextDocumentContent(uri: vscode.Uri): string {
    const [runId = '', agent = ''] = uri.query.split('/');
    return this.texts.get(runId, agent)?.text ?? '';
  }

  /** Called for each `mlCoach/writing`. */
  readonly take = (writing: RunWriting): void => {
    for (const text of this.texts.take(writing)) {
      this.changed.fire(uriOf(text));
      const run = this.runs.book.get(text.runId);
      if (run !== undefined) void this.openUnasked(run, text);
      if (run !== undefined && !text.isGrowing) void this.putAway(run);
    }
  };

  async open(runId: string, agent: string): Promise<void> {
    const text = this.texts.get(runId, agent);
    if (text !== undefined) await show(text, false);
  }

  dispose(): void {
    this.subscription.dispose();
    this.changed.dispose();
  }

  private follow(run: Run): void {
    if (!this.before.has(run.runId)) this.before.set(run.runId, atHand());
    void this.putAway(run);
  }

  /** Once in a run: its program, or the tests where only those are written, unless the user has gone on working. */
  private async openUnasked(run: Run, { agent, text }: LiveText): Promise<void> {
    const wanted = run.task === 'write_tests' ? 'test_writer' : 'coder';
    const before = this.before.get(run.runId);
    if (agent !== wanted || text === '' || before === undefined || before === SHOWN) return;
    this.before.set(run.runId, SHOWN);
    const live = this.texts.get(run.runId, agent);
    if (before === atHand() && live !== undefined) await show(live, true);
  }

  /** Closes the tabs whose text is in the user's file by now, or whose run is over. */
  private async putAway(run: Run): Promise<void> {
    const settled = this.texts.of(run.runId).filter(({ isGrowing, file }) => !run.active || (!isGrowing && run.saved.includes(file)));
    for (const text of settled) {
      this.texts.forget(text);
      const uri = uriOf(text).toString();
      const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs).filter(({ input }) =>
        input instanceof vscode.TabInputText && input.uri.toString() === uri,
      );
      if (tabs.length > 0) await vscode.window.tabGroups.close(tabs, true);
    }
    if (!run.active) this.before.delete(run.runId);
  }
}

const SHOWN = 'shown';

/** The document before the user, with its version: both stay while they only look on. */
function atHand(): string {
  const document = vscode.window.activeTextEditor?.document;
  return document === undefined ? 'nothing' : `${document.uri.toString()}#${document.version}`;
}

function uriOf({ runId, agent, title }: LiveText): vscode.Uri {
  return vscode.Uri.from({ scheme: SCHEME, path: `/${title}`, query: `${runId}/${agent}` });
}

/** As Markdown: a reply is text with code in fences. */
async function show(text: LiveText, preserveFocus: boolean): Promise<void> {
  const document = await vscode.workspace.openTextDocument(uriOf(text));
  await vscode.languages.setTextDocumentLanguage(document, 'markdown');
  await vscode.window.showTextDocument(document, { preview: true, preserveFocus });
}

/** Keeps the last line in sight where it was, so that whoever scrolled up stays there. */
function followEnd(document: vscode.TextDocument): void {
  const last = document.lineCount - 1;
  for (const editor of vscode.window.visibleTextEditors) {
    if (editor.document !== document) continue;
    const lowest = Math.max(...editor.visibleRanges.map(({ end }) => end.line));
    if (lowest >= last - LINES_AT_ONCE) editor.revealRange(new vscode.Range(last, 0, last, 0));
  }
}

/** More than arrive between two updates. */
const LINES_AT_ONCE = 30;
