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
  /** The tabs whose text VS Code is replacing. It drops a change where the next one comes too soon. */
  private readonly underWay = new Set<string>();
  /** What the user had before them as each run began. */
  private readonly before = new Map<string, string>();

  constructor(private readonly runs: Runs) {
    this.subscription = vscode.Disposable.from(
      vscode.workspace.registerTextDocumentContentProvider(SCHEME, this),
      vscode.workspace.onDidChangeTextDocument(({ document }) => {
        if (document.uri.scheme !== SCHEME) return;
        followEnd(document);
        this.arrived(document);
      }),
      vscode.workspace.onDidOpenTextDocument((document) => {
        if (document.uri.scheme !== SCHEME) return;
        this.arrived(document);
        // A reply is text with code in fences.
        if (document.languageId !== 'markdown') void vscode.languages.setTextDocumentLanguage(document, 'markdown');
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
      this.refresh(uriOf(text));
      const run = this.runs.book.get(text.runId);
      if (run !== undefined) void this.openUnasked(run, text);
      if (run !== undefined && !text.isGrowing) void this.putAway(run);
    }
  };

  /** The tab in which the agent's reply grows; undefined where it has said nothing yet. */
  uriOf(runId: string, agent: string): vscode.Uri | undefined {
    const text = this.texts.get(runId, agent);
    return text === undefined ? undefined : uriOf(text);
  }

  dispose(): void {
    this.subscription.dispose();
    this.changed.dispose();
  }

  private refresh(uri: vscode.Uri): void {
    const key = uri.toString();
    const document = vscode.workspace.textDocuments.find((one) => one.uri.toString() === key);
    const isOld = document !== undefined && document.getText() !== this.provideTextDocumentContent(uri);
    if (!isOld || this.underWay.has(key)) return;
    this.underWay.add(key);
    this.changed.fire(uri);
  }

  private arrived({ uri }: vscode.TextDocument): void {
    this.underWay.delete(uri.toString());
    const [runId = '', agent = ''] = uri.query.split('/');
    // What is forgotten goes with its tab.
    if (this.texts.get(runId, agent) !== undefined) this.refresh(uri);
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
    if (before !== atHand() || live === undefined) return;
    await vscode.window.showTextDocument(uriOf(live), { preview: true, preserveFocus: true });
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
