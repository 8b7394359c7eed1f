import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import * as vscode from 'vscode';
import type { LanguageClient, LanguageClientOptions } from 'vscode-languageclient/node';
import type { RunProgress } from '../runs/progress';
import { settingsSection } from './settingsSection';

const SECTION = 'mlCoach';

/** How the client library is to talk to our server. */
export function clientOptions(
  context: vscode.ExtensionContext,
  log: vscode.LogOutputChannel,
  client: () => LanguageClient,
  progress: RunProgress,
): LanguageClientOptions {
  const names = settingNames(context);
  return {
    documentSelector: [{ language: 'python', scheme: 'file' }],
    outputChannel: log,
    // Connection tells the user; without this the library opens a window of its own as well.
    initializationFailedHandler: () => false,
    // Python logs to standard error whatever it has to say, so that is not a line's severity.
    stdioOptions: { stdout: forwardLines, stderr: forwardLines },
    initializationOptions: { drawsRuns: true, openFiles: true, asksForPatches: true, asksQuestions: true },
    middleware: {
      handleWorkDoneProgress: (token, value) => { progress.take(client(), token, value); },
      workspace: {
        // Only that something changed: its values, defaults among them, are for the server to ask for.
        didChangeConfiguration: (_, next) => next(undefined),
        configuration: (params) =>
          params.items.map(({ section, scopeUri }) => {
            const scope = scopeUri === undefined ? null : vscode.Uri.parse(scopeUri);
            const settings = vscode.workspace.getConfiguration(SECTION, scope);
            if (section !== SECTION) return null;
            return settingsSection(names, (name) => settings.inspect(name));
          }),
      },
    },
  };
}

function settingNames(context: vscode.ExtensionContext): string[] {
  const manifest = context.extension.packageJSON as {
    contributes: { configuration: { properties: object } };
  };
  return Object.keys(manifest.contributes.configuration.properties).map((name) => name.slice(SECTION.length + 1));
}

function forwardLines(stream: Readable, log: vscode.LogOutputChannel): void {
  createInterface(stream).on('line', (line) => { log.info(line); });
}
