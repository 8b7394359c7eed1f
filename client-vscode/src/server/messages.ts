import * as vscode from 'vscode';
import { MessageType, ShowMessageNotification } from 'vscode-languageclient';
import type { LanguageClient } from 'vscode-languageclient/node';

/**
 * Shows the server's messages. VS Code cuts a message without buttons to one line, which would hide
 * the reason in a warning; so the library's own way will not do.
 */
export function showMessages(client: LanguageClient): void {
  client.onNotification(ShowMessageNotification.type, ({ type, message }) => void show(type, message));
}

async function show(type: MessageType, message: string): Promise<void> {
  if (type !== MessageType.Error && type !== MessageType.Warning) {
    void vscode.window.showInformationMessage(message);
    return;
  }
  const ask = type === MessageType.Error ? vscode.window.showErrorMessage : vscode.window.showWarningMessage;
  const answer = await ask(message, 'Show Runs');
  if (answer !== undefined) await vscode.commands.executeCommand('mlCoach.runs.focus');
}
