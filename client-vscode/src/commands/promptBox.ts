import * as vscode from 'vscode';
import { remember } from './promptHistory';

const KEY = 'mlCoach.prompts';

/** Asks what to generate. Earlier prompts are one click away and can be changed before they are used. */
export async function askForPrompt(state: vscode.Memento): Promise<string | undefined> {
  const history = state.get<string[]>(KEY, []);
  const prompt = await ask(history);
  if (prompt !== undefined) await state.update(KEY, remember(history, prompt));
  return prompt;
}

function ask(history: readonly string[], value = ''): Promise<string | undefined> {
  const box = vscode.window.createInputBox();
  const earlier: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon('history'), tooltip: 'Earlier prompts' };
  box.title = 'ML Coach: Generate';
  box.placeholder = 'What must the program do?';
  box.prompt = 'Examples such as f(2) == 4 become tests.';
  box.value = value;
  box.buttons = history.length > 0 ? [earlier] : [];
  box.ignoreFocusOut = true;
  return new Promise((resolve) => {
    box.onDidAccept(() => {
      const prompt = box.value.trim();
      if (prompt === '') {
        box.validationMessage = 'Say what the program must do.';
        return;
      }
      resolve(prompt);
      box.hide();
    });
    box.onDidChangeValue(() => { box.validationMessage = undefined; });
    box.onDidTriggerButton(() => {
      const typed = box.value;
      resolve(pickEarlier(history).then((picked) => ask(history, picked ?? typed)));
      box.hide();
    });
    box.onDidHide(() => {
      resolve(undefined);
      box.dispose();
    });
    box.show();
  });
}

async function pickEarlier(history: readonly string[]): Promise<string | undefined> {
  return vscode.window.showQuickPick([...history], { title: 'ML Coach: earlier prompts' });
}
