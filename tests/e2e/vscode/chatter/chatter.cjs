// Does what a user or an agent does, where the workbench has no fixed place to click: puts a text into
// the chat's input, calls a tool by its name, and writes down what came of it.
const fs = require('node:fs');
const path = require('node:path');
const vscode = require('vscode');

const note = (file, value) => {
  fs.writeFileSync(path.join(vscode.workspace.workspaceFolders[0].uri.fsPath, file), JSON.stringify(value));
};

const commands = {
  async ask() {
    const query = await vscode.window.showInputBox();
    // The chat lists the models when it is opened, and needs one before it lets a participant answer.
    await vscode.lm.selectChatModels({});
    await vscode.commands.executeCommand('workbench.action.chat.open', { query, mode: 'ask', isPartialQuery: true });
  },
  /** Calls the tool with that name and input, given as JSON; notes its texts, or why it was refused. */
  async call() {
    const { tool, input, file } = JSON.parse(await vscode.window.showInputBox());
    try {
      const result = await vscode.lm.invokeTool(tool, { input, toolInvocationToken: undefined });
      note(file, { texts: result.content.map(({ value }) => value) });
    } catch (error) {
      note(file, { refused: error.message });
    }
  },
  async runs() {
    const { runs } = await vscode.commands.executeCommand('mlCoach.runs', {});
    note('runs.json', { runs, tools: vscode.lm.tools.map(({ name }) => name) });
  },
};

exports.activate = ({ subscriptions }) => {
  for (const [name, run] of Object.entries(commands)) subscriptions.push(vscode.commands.registerCommand(`e2e.${name}`, run));
};
