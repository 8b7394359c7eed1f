import { homedir } from 'node:os';
import * as vscode from 'vscode';
import { NoPythonError } from './locate';
import { type Installer, PrivateEnvironment } from './privateEnvironment';
import { run } from './processes';
import { firstPython, usualPythons, usualUvs } from './python';

/** The private environment's interpreter, made at the first use under a notification with Cancel. */
export async function privateInterpreter(
  context: vscode.ExtensionContext,
  log: vscode.LogOutputChannel,
  selected: string | undefined,
): Promise<string> {
  const home = vscode.Uri.joinPath(context.globalStorageUri, 'environments').fsPath;
  const environment = new PrivateEnvironment(home, await wheelIn(context));
  const found = await environment.find();
  if (found !== undefined) return found;
  const installer = await chooseInstaller(selected);
  return vscode.window.withProgress(
    {
      location: vscode.ProgressLocation.Notification,
      title: 'ML Coach: installing its language server',
      cancellable: true,
    },
    async (progress, token) => {
      const abort = new AbortController();
      token.onCancellationRequested(() => { abort.abort(new vscode.CancellationError()); });
      const say = (line: string): void => {
        log.info(line);
        // "Downloading pygls-2.1.1-py3-none-any.whl (72 kB)": as far as the version.
        const step = /^(?:Collecting|Downloading|Installing) [\w.]+(?:-\d[\w.]*)?/.exec(line.trim());
        if (step !== null) progress.report({ message: step[0] });
      };
      return environment.make(installer, { signal: abort.signal, say });
    },
  );
}

async function chooseInstaller(selected: string | undefined): Promise<Installer> {
  for (const uv of usualUvs(process.platform, homedir())) {
    if ((await run([uv, '--version'])).code === 0) return { kind: 'uv', uv };
  }
  const python = await firstPython(usualPythons(process.platform, selected));
  if (python === undefined) throw new NoPythonError();
  return { kind: 'venv', python };
}

/** The server's wheel, packed into the extension by scripts/package.mjs. */
async function wheelIn(context: vscode.ExtensionContext): Promise<string> {
  const folder = vscode.Uri.joinPath(context.extensionUri, 'client-vscode', 'dist', 'server');
  const files = await vscode.workspace.fs.readDirectory(folder);
  const wheel = files.map(([name]) => name).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new Error(`The extension has no server in ${folder.fsPath}.`);
  return vscode.Uri.joinPath(folder, wheel).fsPath;
}
