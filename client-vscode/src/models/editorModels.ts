/** The editor's own models (`vscode.lm`), asked for the server's `editor:` models. */
import * as vscode from 'vscode';
import type { LanguageClient } from 'vscode-languageclient/node';
import { complete, completePiece, type CompleteParams, type CompleteResult } from '../protocol';

const NONE =
  'VS Code offers no language model here. Install an extension that brings one (GitHub Copilot Chat does), ' +
  'sign in, or choose another model with “ML Coach: Select Model”.';

export function serveEditorModels(client: LanguageClient): void {
  client.registerFeature({
    fillClientCapabilities: (capabilities) => {
      capabilities.experimental = { ...asObject(capabilities.experimental), mlCoach: { complete: true } };
    },
    initialize: () => undefined,
    getState: () => ({ kind: 'static' }),
    clear: () => undefined,
  });
  client.onRequest(complete, async (params, token) => {
    const { partialResultToken } = params;
    const take =
      partialResultToken === undefined
        ? undefined
        : (text: string): Promise<void> => client.sendProgress(completePiece, partialResultToken, { text });
    return answer(params, take, token);
  });
}

export async function editorModelNames(): Promise<{ title: string; name: string; description: string }[]> {
  const models = await vscode.lm.selectChatModels();
  return models.map(({ id, name, vendor }) => ({ title: name, name: `editor:${id}`, description: vendor }));
}

async function answer(
  { model, messages }: CompleteParams,
  take: ((text: string) => Promise<void>) | undefined,
  token: vscode.CancellationToken,
): Promise<CompleteResult> {
  const [chosen] = await vscode.lm.selectChatModels(model === '' ? {} : { id: model });
  if (chosen === undefined) {
    return fault('not_found', model === '' ? NONE : `there is no “${model}” among VS Code's models`);
  }
  try {
    const turns = messages.map(({ role, text }) =>
      role === 'assistant'
        ? vscode.LanguageModelChatMessage.Assistant(text)
        : // The API knows no system role; its documentation says to send such text as the user.
          vscode.LanguageModelChatMessage.User(text),
    );
    // VS Code shows this beside its own question whether the extension may use the model.
    const justification = 'ML Coach asks this model to write, test and debug the program of your prompt.';
    const response = await chosen.sendRequest(turns, { justification }, token);
    let whole = '';
    for await (const piece of response.text) {
      whole += piece;
      await take?.(piece);
    }
    const completionTokens = await chosen.countTokens(whole);
    const promptTokens = await chosen.countTokens(messages.map(({ text }) => text).join('\n'));
    return { finish: 'stop', text: take === undefined ? whole : '', promptTokens, completionTokens, fault: '', message: '' };
  } catch (error) {
    return fault(faultOf(error), error instanceof Error ? error.message : String(error));
  }
}

function faultOf(error: unknown): CompleteResult['fault'] {
  if (!(error instanceof vscode.LanguageModelError)) return 'unavailable';
  switch (error.code) {
    case vscode.LanguageModelError.NoPermissions.name:
      return 'not_allowed';
    case vscode.LanguageModelError.NotFound.name:
      return 'not_found';
    case vscode.LanguageModelError.Blocked.name:
      // The API says so for a user's quota and for a filter alike.
      return /quota|rate|limit/i.test(error.message) ? 'quota' : 'blocked';
    default:
      return 'unavailable';
  }
}

function fault(kind: CompleteResult['fault'], message: string): CompleteResult {
  return { finish: 'stop', text: '', promptTokens: 0, completionTokens: 0, fault: kind, message };
}

function asObject(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {};
}
