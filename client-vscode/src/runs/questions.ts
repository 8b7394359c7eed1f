/** A run's question (`mlCoach/question`) as a quick pick. What an answer means is the server's to say. */
import * as vscode from 'vscode';
import type { LanguageClient } from 'vscode-languageclient/node';
import { question, type QuestionParams, type QuestionReply } from '../protocol';

interface Item extends vscode.QuickPickItem {
  /** What is answered; `type` asks for a value first. */
  readonly reply: QuestionReply | 'type';
}

export function askQuestions(client: LanguageClient): void {
  client.onRequest(question, (params, token) => ask(params, token));
}

async function ask(params: QuestionParams, token: vscode.CancellationToken): Promise<QuestionReply | null> {
  // A value that could not be read is asked for again where it was typed.
  const reply = params.complaint === '' ? await pick(params, token) : 'type';
  return reply === 'type' ? type(params, token) : reply;
}

/** Closed by a look elsewhere, so that no run waits behind a window that nobody sees. */
async function pick({ question: title, choices }: QuestionParams, token: vscode.CancellationToken): Promise<QuestionReply | 'type' | null> {
  const items: Item[] = [
    ...choices.map(({ title: label, programs }, choice) => ({
      label,
      description: programs === 1 ? '1 program' : `${programs} programs`,
      reply: { choice },
    })),
    { label: 'Something else…', reply: 'type' },
    { label: 'Not defined, leave it open', reply: { text: 'not defined' } },
    { label: 'Skip', reply: { text: 'skip' } },
  ];
  const box = vscode.window.createQuickPick<Item>();
  box.title = `ML Coach: ${title}`;
  box.placeholder = 'Your answer becomes a test, and the run goes on with it';
  box.items = items;
  // The key that a user happens to press as the box comes up must choose nothing.
  box.activeItems = [];
  try {
    return await new Promise((resolve) => {
      token.onCancellationRequested(() => { box.hide(); });
      box.onDidAccept(() => { if (box.selectedItems[0] !== undefined) resolve(box.selectedItems[0].reply); });
      box.onDidHide(() => { resolve(null); });
      box.show();
    });
  } finally {
    box.dispose();
  }
}

async function type({ question: title, typed, complaint }: QuestionParams, token: vscode.CancellationToken): Promise<QuestionReply | null> {
  const text = await vscode.window.showInputBox(
    {
      title: `ML Coach: ${title}`,
      prompt: complaint === '' ? "A Python value, such as 3, 'abc' or [1, 2]; or: raises ValueError" : complaint,
      value: typed,
    },
    token,
  );
  return text === undefined ? null : { text };
}
