import * as vscode from 'vscode';
import { firstLine } from '../wording';
import { remember } from './promptHistory';

const KEY = 'mlCoach.prompts';

/** What the user typed. `isOpen`: it is to be written on in an editor. */
export interface Typed {
  readonly text: string;
  readonly isOpen: boolean;
}

/** Asks what to generate. Earlier prompts are one click away and can be changed before they are used. */
export function askForPrompt(state: vscode.Memento): Promise<Typed | undefined> {
  return ask(state.get<string[]>(KEY, []));
}

/** Keeps a prompt for the list of earlier ones. */
export async function keepPrompt(state: vscode.Memento, prompt: string): Promise<void> {
  await state.update(KEY, remember(state.get<string[]>(KEY, []), prompt));
}

/** Asks what the program in `file`, a URI, must do as well. */
export async function askForRefinement(file: string): Promise<string | undefined> {
  const prompt = await vscode.window.showInputBox({
    title: `ML Coach: Refine ${vscode.workspace.asRelativePath(vscode.Uri.parse(file))}`,
    prompt: 'What it must do as well. An example becomes a test: also take None: add(None, 2) == 2',
    ignoreFocusOut: true,
  });
  return prompt?.trim() === '' ? undefined : prompt;
}

function ask(history: readonly string[], value = ''): Promise<Typed | undefined> {
  const box = vscode.window.createInputBox();
  const earlier: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon('history'), tooltip: 'Earlier prompts' };
  const longer: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon('edit'), tooltip: 'Write it over several lines' };
  box.title = 'ML Coach: Generate';
  box.placeholder = 'What must the program do?';
  box.prompt = 'Examples such as f(2) == 4 become tests.';
  box.value = value;
  box.buttons = history.length > 0 ? [earlier, longer] : [longer];
  box.ignoreFocusOut = true;
  return new Promise((resolve) => {
    box.onDidAccept(() => {
      const text = box.value.trim();
      if (text === '') {
        box.validationMessage = 'Say what the program must do.';
        return;
      }
      resolve({ text, isOpen: false });
      box.hide();
    });
    box.onDidChangeValue(() => { box.validationMessage = undefined; });
    box.onDidTriggerButton((button) => {
      const text = box.value;
      resolve(button === longer ? { text, isOpen: true } : pickEarlier(history).then((picked) => again(history, picked ?? text)));
      box.hide();
    });
    box.onDidHide(() => {
      resolve(undefined);
      box.dispose();
    });
    box.show();
  });
}

/** A text of several lines does not fit into the box. */
function again(history: readonly string[], text: string): Promise<Typed | undefined> {
  return text.includes('\n') ? Promise.resolve({ text, isOpen: true }) : ask(history, text);
}

async function pickEarlier(history: readonly string[]): Promise<string | undefined> {
  const items = history.map((prompt) => ({ label: firstLine(prompt, 120), prompt }));
  return (await vscode.window.showQuickPick(items, { title: 'ML Coach: earlier prompts' }))?.prompt;
}
