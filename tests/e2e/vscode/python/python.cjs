// A STAND-IN for ms-python.python, which only Microsoft's marketplace has: the same id, and of its
// public API (npm @vscode/python-extension) what ML Coach calls. The real one was never run here.
const vscode = require('vscode');

exports.activate = (context) => {
  let path = process.env.ML_COACH_E2E_INTERPRETER;
  const changed = new vscode.EventEmitter();
  context.subscriptions.push(changed, vscode.commands.registerCommand('python.setInterpreter', async () => {
    path = await vscode.window.showInputBox({ title: 'Select Interpreter', value: path });
    changed.fire({ id: path, path, resource: vscode.workspace.workspaceFolders[0] });
  }));
  return {
    environments: {
      getActiveEnvironmentPath: () => ({ id: path, path }),
      resolveEnvironment: async (environment) => ({ executable: { uri: vscode.Uri.file(environment.path) } }),
      onDidChangeActiveEnvironmentPath: changed.event,
    },
  };
};
