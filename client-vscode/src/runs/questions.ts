/** A run's question (`mlCoach/question`) as a quick pick, or in the chat that shows the run. What an answer means is the server's to say. */
import * as vscode from 'vscode';
import type { LanguageClient } from 'vscode-languageclient/node';
import { question, type QuestionParams, type QuestionReply } from '../protocol';
import type { ChatRuns, Picked } from './chatRuns';

interface Item extends vscode.QuickPickItem {
  readonly reply: Picked;
}

export function askQuestions(client: LanguageClient, chats: ChatRuns): void {
  client.onRequest(question, async (params, token): Promise<QuestionReply | null> => {
    // A value that could not be read is asked for again where it was typed.
    if (params.complaint !== '') return type(params, token);
    const picked = await (chats.has(params.runId) ? chats.ask(params, token) : pick(params, token));
    return picked === 'type' ? type(params, token) : picked;
  });
}

/** Closed by a look elsewhere, so that no run waits behind a window that nobody sees. */
async function pick({ question: title, choices }: QuestionParams, token: vscode.CancellationToken): Promise<Picked | null> {
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
