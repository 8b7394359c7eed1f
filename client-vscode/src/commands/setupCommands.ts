import * as vscode from 'vscode';
import type { Documents } from '../documents';
import { editorModelNames } from '../models/editorModels';
import type { GeminiKey } from '../models/geminiKey';
import { inlineCode } from '../foreignText';
import type { Connection } from '../server/connection';
import type { Restarts } from '../server/restarts';

/** The commands around runs: model, key, health, server. */
export function setupCommands(
  connection: Connection,
  key: GeminiKey,
  documents: Documents,
  restarts: Restarts,
  log: vscode.LogOutputChannel,
): Record<string, (...args: never[]) => unknown> {
  return {
    selectModel: () => selectModel(connection),
    setGeminiKey: () => key.ask(),
    doctor: () => doctor(connection, documents),
    restartServer: () => restarts.byHand(),
    showLog: () => { log.show(); },
  };
}

/** Names such as "openai:MODEL@BASE-URL" show how one is written; the user fills them in. */
const PLACEHOLDER = /:(MODEL@BASE-URL|FILE)$/;

async function selectModel(connection: Connection): Promise<void> {
  const { default: usual, models } = await connection.execute('mlCoach.models', {});
  const own = await editorModelNames();
  const listed = [...own, ...models.filter(({ name }) => own.length === 0 || name !== 'editor:')];
  if (!listed.some(({ name }) => name === usual)) listed.unshift({ title: usual, name: usual, description: 'as set' });
  const items = listed.map(({ title, name, description }) => ({
    label: name === usual ? `$(check) ${title}` : title,
    description: name === usual ? 'in use' : '',
    detail: [...(title === name ? [] : [name]), description].filter((part) => part !== '').join(': '),
    name,
  }));
  const other = { label: 'Another…', description: '', detail: 'Type a name, such as openai:MODEL@http://127.0.0.1:8000/v1', name: '' };
  const picked = await vscode.window.showQuickPick([...items, other], {
    title: 'ML Coach: model',
    matchOnDetail: true,
  });
  if (picked === undefined) return;
  const isWhole = picked !== other && !PLACEHOLDER.test(picked.name);
  const value = picked === other ? usual : picked.name;
  const name = isWhole ? value : await vscode.window.showInputBox({ title: 'ML Coach: model', value });
  if (name === undefined) return;
  const settings = vscode.workspace.getConfiguration('mlCoach');
  // Where a workspace names a model, that is what counts, so that is what changes.
  const target = settings.inspect('model')?.workspaceValue === undefined
    ? vscode.ConfigurationTarget.Global
    : vscode.ConfigurationTarget.Workspace;
  await settings.update('model', name, target);
}

async function doctor(connection: Connection, documents: Documents): Promise<void> {
  const { checks } = await connection.execute('mlCoach.doctor', {});
  const lines = checks.map(({ name, ok, found, mend }) => {
    const advice = mend === '' ? '' : `  \n  ${inlineCode(mend)}`;
    return `- ${ok ? '✓' : '✗'} **${name}**: ${inlineCode(found)}${advice}`;
  });
  await documents.showPage('Doctor', ['# ML Coach: Doctor', '', ...lines, ''].join('\n'));
}
