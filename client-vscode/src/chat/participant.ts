/** `@coach` in VS Code's chat: a prompt is a run, shown as it goes on. What is done is the server's to say. */
import * as vscode from 'vscode';
import { askForRefinement } from '../commands/promptBox';
import { pythonFile, whereToWrite } from '../commands/targets';
import { plainText } from '../foreignText';
import type { QuestionParams, RunRef } from '../protocol';
import type { ChatRuns, Picked } from '../runs/chatRuns';
import type { Run } from '../runs/runBook';
import type { Runs } from '../runs/runs';
import type { Connection } from '../server/connection';
import { newer } from './newerApi';
import { buttonTitle, endText, explanation, patchText, questionText, Telling } from './telling';

const ID = 'mlCoach.coach';
const quiet = true;

export interface ChatParts {
  readonly connection: Connection;
  readonly runs: Runs;
  readonly chats: ChatRuns;
  readonly icon: vscode.Uri;
}

/** Nothing where the editor has no chat. */
export function registerParticipant(parts: ChatParts): vscode.Disposable {
  if (newer.chat === undefined) return vscode.Disposable.from();
  const coach = new Coach(parts);
  const participant = newer.chat.createChatParticipant(ID, coach.respond);
  participant.iconPath = parts.icon;
  participant.followupProvider = { provideFollowups: coach.followups };
  return vscode.Disposable.from(participant);
}

class Coach {
  constructor(private readonly parts: ChatParts) {}

  readonly respond = async (
    request: vscode.ChatRequest,
    context: vscode.ChatContext,
    stream: vscode.ChatResponseStream,
    token: vscode.CancellationToken,
  ): Promise<vscode.ChatResult> => {
    try {
      const earlier = await this.lastRun(context);
      if (request.command === 'explain') return await this.explain(earlier, stream);
      const { runId } = await this.start(request, earlier);
      const run = await this.follow(runId, stream, token);
      if (run !== undefined) this.end(run, stream);
      return { metadata: { runId } };
    } catch (error) {
      if (error instanceof vscode.CancellationError) return {};
      return { errorDetails: { message: plainText(error instanceof Error ? error.message : String(error)) } };
    }
  };

  readonly followups = async (result: vscode.ChatResult): Promise<vscode.ChatFollowup[]> => {
    const run = await this.known(result.metadata?.runId);
    if (run === undefined || run.active) return [];
    const answers = (run.question?.choices ?? []).map((choice) => ({
      prompt: choice, label: buttonTitle(`Answer: ${choice}`), command: 'answer',
    }));
    const refine = run.saved.length > 0 ? [{ prompt: '', label: 'Refine…', command: 'refine' }] : [];
    return [...answers, ...refine, { prompt: '', label: 'Explain', command: 'explain' }];
  };

  /** Starts what the request asks for. A prompt without a command goes on with the chat's last program. */
  private async start(request: vscode.ChatRequest, earlier: Run | undefined): Promise<RunRef> {
    const { connection } = this.parts;
    const prompt = request.prompt.trim();
    const named = pythonReference(request, { inPrompt: true });
    const file = named ?? pythonReference(request, { inPrompt: false });
    switch (request.command) {
      case 'fix':
        return connection.execute('mlCoach.debug', { uri: await this.fileFor(file, earlier), quiet });
      case 'tests':
        return connection.execute('mlCoach.writeTests', { uri: await this.fileFor(file, earlier), quiet });
      case 'answer':
        return this.answer(prompt, earlier);
      case 'generate':
        break;
      default:
        if (request.command === 'refine' || (prompt !== '' && (named ?? programOf(earlier)) !== undefined)) {
          return this.refine(prompt, await pythonFile(named ?? programOf(earlier)));
        }
    }
    if (prompt === '') throw new Error('Say what the program must do.');
    return connection.execute('mlCoach.generate', { prompt, ...(await whereToWrite(file)), quiet });
  }

  private async refine(prompt: string, uri: string): Promise<RunRef> {
    const wanted = prompt === '' ? await askForRefinement(uri) : prompt;
    if (wanted === undefined) throw new vscode.CancellationError();
    return this.parts.connection.execute('mlCoach.refine', { uri, prompt: wanted, quiet });
  }

  private async answer(text: string, earlier: Run | undefined): Promise<RunRef> {
    if (earlier === undefined || earlier.question === null) throw new Error('The last run of this chat left no question open.');
    const choice = earlier.question.choices.indexOf(text);
    const given = choice < 0 ? { text } : { choice };
    const { runId, reason } = await this.parts.connection.execute('mlCoach.answer', { runId: earlier.runId, ...given, quiet });
    if (reason !== '') throw new Error(reason);
    return { runId };
  }

  /** The file that was given, else the active one, else the program of the chat's last run. */
  private fileFor(file: vscode.Uri | undefined, earlier: Run | undefined): Promise<string> {
    const isActive = vscode.window.activeTextEditor?.document.languageId === 'python';
    return pythonFile(file ?? (isActive ? undefined : programOf(earlier)));
  }

  /** Shows the run until it is over; undefined where the server ended before it. Stops it with the chat's request. */
  private async follow(
    runId: string, stream: vscode.ChatResponseStream, token: vscode.CancellationToken,
  ): Promise<Run | undefined> {
    const { connection, runs, chats } = this.parts;
    const telling = new Telling();
    const stop = (): Promise<unknown> => connection.execute('mlCoach.stop', { runId });
    const subscriptions: vscode.Disposable[] = [];
    chats.begin(runId, (params) => { showQuestion(params, stream); });
    try {
      return await new Promise((resolve, reject) => {
        const show = (run: Run): void => {
          for (const part of telling.take(run)) {
            if (part.kind === 'patch') showPatch(part.patch, stream);
            else if (part.kind === 'progress') stream.progress(part.text);
            else stream.markdown(part.text);
          }
          if (!run.active) resolve(run);
        };
        subscriptions.push(
          runs.onDidChangeRun((run) => { if (run.runId === runId) show(run); }),
          connection.onDidChangeState((state) => { if (state !== 'ready') resolve(undefined); }),
          token.onCancellationRequested(() => { stop().catch(reject); }),
        );
        const now = runs.book.get(runId);
        if (now?.complete === true) show(now);
        // While the run was being started.
        if (token.isCancellationRequested) stop().catch(reject);
      });
    } finally {
      chats.end(runId);
      vscode.Disposable.from(...subscriptions).dispose();
    }
  }

  private end(run: Run, stream: vscode.ChatResponseStream): void {
    stream.markdown(endText(run));
    this.showFiles(run, stream);
    stream.button({ command: 'mlCoach.ui.openLog', title: 'Show Run', arguments: [run.runId] });
    if (run.saved.length > 0) stream.button({ command: 'mlCoach.ui.undoRun', title: 'Undo', arguments: [run.runId] });
  }

  private async explain(earlier: Run | undefined, stream: vscode.ChatResponseStream): Promise<vscode.ChatResult> {
    await this.parts.runs.refresh();
    const [newest] = this.parts.runs.groups().own;
    const run = earlier ?? (newest && await this.parts.runs.completed(newest));
    if (run === undefined) throw new Error('There is no run yet that could be explained.');
    const { steps } = await this.parts.connection.execute('mlCoach.explain', { runId: run.runId });
    stream.markdown(explanation(run, steps));
    this.showFiles(run, stream);
    stream.button({ command: 'mlCoach.ui.openLog', title: 'Show Run', arguments: [run.runId] });
    return { metadata: { runId: run.runId } };
  }

  private showFiles(run: Run, stream: vscode.ChatResponseStream): void {
    for (const file of run.saved) {
      const uri = vscode.Uri.joinPath(vscode.Uri.parse(run.rootUri), file);
      stream.reference(uri);
      stream.anchor(uri, file);
      stream.markdown(' ');
    }
  }

  /** The last run of this chat that anything is known of. */
  private async lastRun({ history }: vscode.ChatContext): Promise<Run | undefined> {
    for (const turn of [...history].reverse()) {
      const run = 'result' in turn ? await this.known(turn.result.metadata?.runId) : undefined;
      if (run !== undefined) return run;
    }
    return undefined;
  }

  private async known(runId: unknown): Promise<Run | undefined> {
    if (typeof runId !== 'string') return undefined;
    const { runs, connection } = this.parts;
    const run = runs.book.get(runId);
    if (run?.complete === true) return run;
    // A chat is kept for longer than the log of its runs.
    return connection.execute('mlCoach.run', { runId }).then((details) => runs.book.take(details), () => undefined);
  }
}

/** The commands behind the chat's buttons. */
export function chatCommands({ chats, connection }: ChatParts): Record<string, (...args: never[]) => unknown> {
  return {
    async answer(runId: string, picked: Picked): Promise<void> {
      if (chats.answer(runId, picked)) return;
      // The run has ended meanwhile, with its question open.
      await connection.execute('mlCoach.answer', picked === 'type' ? { runId } : { runId, ...picked });
    },
  };
}

function showQuestion({ runId, question, choices }: QuestionParams, stream: vscode.ChatResponseStream): void {
  const button = (title: string, picked: Picked): void => {
    stream.button({ command: 'mlCoach.ui.answer', title: buttonTitle(title), arguments: [runId, picked] });
  };
  stream.markdown(questionText(question));
  for (const [choice, { title }] of choices.entries()) button(title, { choice });
  button('Something else…', 'type');
  button('Not defined, leave it open', { text: 'not defined' });
  button('Skip', { text: 'skip' });
}

function showPatch(patch: Parameters<typeof patchText>[0], stream: vscode.ChatResponseStream): void {
  stream.markdown(patchText(patch));
  for (const [title, command] of [['Apply', 'applyPatch'], ['Discard', 'discardPatch'], ['Show Diff', 'showDiff']] as const) {
    stream.button({ command: `mlCoach.ui.${command}`, title, arguments: [patch.patchId] });
  }
}

/** A Python file of the request: one that stands in its text, or one that VS Code added. */
function pythonReference({ references }: vscode.ChatRequest, { inPrompt }: { inPrompt: boolean }): vscode.Uri | undefined {
  const uris = references.filter(({ range }) => (range !== undefined) === inPrompt).map(({ value }) =>
    value instanceof vscode.Location ? value.uri : value instanceof vscode.Uri ? value : undefined,
  );
  return uris.find((uri) => uri?.path.endsWith('.py') === true);
}

function programOf(run: Run | undefined): vscode.Uri | undefined {
  if (run === undefined || run.rootUri === '' || run.programFile === '') return undefined;
  return vscode.Uri.joinPath(vscode.Uri.parse(run.rootUri), run.programFile);
}
