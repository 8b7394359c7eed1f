// Runs INSIDE the extension host, with the real vscode API: what the screen does not show.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const vscode = require('vscode');

const ID = 'ml-coach.ml-coach';
const { prompt, fixed } = JSON.parse(process.env.ML_COACH_E2E_TASK);
const root = () => vscode.workspace.workspaceFolders[0].uri;
const file = (name) => vscode.Uri.joinPath(root(), name);

async function until(check, what, seconds = 120) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
    const found = await check();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`waited for ${what}`);
}

/** The server's own commands, as its code actions call them. */
const serve = (command, argument) => vscode.commands.executeCommand(`mlCoach.${command}`, argument);
const ended = (runId) => until(async () => {
  const { runs } = await serve('runs', {});
  return runs.find((run) => run.runId === runId && !run.active);
}, `the end of ${runId}`);

const tests = {
  async 'the extension activates and the server answers'() {
    await vscode.extensions.getExtension(ID).activate();
    const { checks } = await until(() => serve('doctor', {}).then((answer) => answer, () => null), 'the doctor');
    assert.ok(Array.isArray(checks));
  },

  async 'every declared command is registered'() {
    const known = await vscode.commands.getCommands(true);
    const { commands } = vscode.extensions.getExtension(ID).packageJSON.contributes;
    assert.deepEqual(commands.map(({ command }) => command).filter((command) => !known.includes(command)), []);
  },

  async 'a run offers its patch as the preferred quick fix, and goes on when it is applied'() {
    const { runId } = await serve('generate', { prompt });
    const tests = file('test_generated.py');
    const found = await until(() => vscode.languages.getDiagnostics(tests).find(({ source }) => source === 'ML Coach'), 'a finding');
    assert.equal(found.severity, vscode.DiagnosticSeverity.Error);
    assert.match(found.message, /2\.5/, 'the message holds what was expected');
    const fix = await until(async () => {
      const actions = await vscode.commands.executeCommand('vscode.executeCodeActionProvider', tests, found.range, 'quickfix');
      return actions.find(({ title }) => title.startsWith('Apply ML Coach patch'));
    }, 'the quick fix');
    assert.equal(fix.isPreferred, true);
    if (fix.edit) assert.ok(await vscode.workspace.applyEdit(fix.edit));
    await vscode.commands.executeCommand(fix.command.command, ...fix.command.arguments);
    assert.equal((await ended(runId)).outcome, 'passed');
    assert.ok((await vscode.workspace.openTextDocument(file('generated_code.py'))).getText().includes(fixed));
    await until(() => vscode.languages.getDiagnostics(tests).length === 0, 'no finding left');
  },

  async 'what the user sets reaches the server, what is only a default does not'() {
    const settings = vscode.workspace.getConfiguration('mlCoach');
    await settings.update('programFile', 'other_name.py', vscode.ConfigurationTarget.Workspace);
    await settings.update('autoPatch', true, vscode.ConfigurationTarget.Workspace);
    try {
      const { runId } = await until(
        async () => {
          const started = await serve('generate', { prompt });
          const { events } = await ended(started.runId).then(() => serve('events', started));
          const { request } = events.find(({ event }) => event === 'RunStarted');
          // ML_COACH's environment says 5; the manifest's default of 3 must not hide it.
          assert.equal(request.max_iters, 5);
          return request.program_file === 'other_name.py' && started;
        },
        'the new setting',
      );
      assert.equal((await ended(runId)).outcome, 'passed');
    } finally {
      await settings.update('programFile', undefined, vscode.ConfigurationTarget.Workspace);
      await settings.update('autoPatch', undefined, vscode.ConfigurationTarget.Workspace);
    }
  },

  async 'a wrong argument is refused with a sentence'() {
    await assert.rejects(async () => serve('generate', { promt: 'x' }), /promt|prompt/);
    await assert.rejects(async () => serve('debug', { uri: 'file:///tmp/elsewhere.py' }), /outside|workspace|folder/i);
  },

  async 'the diff of a patch has both sides in the editor'() {
    const { runs } = await serve('runs', {});
    for (const { runId } of runs) {
      const { events } = await serve('events', { runId });
      const offer = events.find(({ event }) => event === 'PatchOffered');
      if (offer === undefined) continue;
      await vscode.commands.executeCommand('mlCoach.ui.showDiff', offer.patch_id);
      const { input } = await until(() => {
        const tab = vscode.window.tabGroups.activeTabGroup.activeTab;
        return tab?.input instanceof vscode.TabInputTextDiff && tab;
      }, 'the diff');
      const [before, after] = await Promise.all([input.original, input.modified].map((uri) => vscode.workspace.openTextDocument(uri)));
      assert.ok(!before.getText().includes(fixed) && after.getText().includes(fixed));
      return;
    }
    assert.fail('no run offered a patch');
  },

  // ML_COACH_RACES says how many runs (100 before a release); a few are always made.
  async 'nothing typed while a run writes is lost'() {
    const rounds = Number(process.env.ML_COACH_RACES);
    const random = (below) => Math.floor(Math.random() * below);
    for (let number = 1; number <= rounds; number++) {
      const uri = file(`p${number}.py`);
      const { runId } = await serve('generate', { prompt, targetUri: uri.toString(), autoPatch: true });
      const document = await until(() => vscode.workspace.textDocuments.find((one) => one.uri.fsPath === uri.fsPath), 'the program');
      const typed = [];
      let begun = 0;
      const type = async () => {
        const line = `# typed ${(begun += 1)} in round ${number}`;
        let edit;
        // Other than a key, VS Code ignores an edit from here that crosses another one on its way.
        do {
          edit = new vscode.WorkspaceEdit();
          edit.insert(uri, new vscode.Position(random(document.lineCount + 1), 0), `${line}\n`);
        } while (!await vscode.workspace.applyEdit(edit));
        typed.push(line);
      };
      // At random, and soon after each change of the document, when the server reads it back.
      const watching = vscode.workspace.onDidChangeTextDocument((change) => {
        if (change.document === document && begun < 6) setTimeout(() => { void type(); }, random(300));
      });
      await type();
      await ended(runId);
      watching.dispose();
      await new Promise((resolve) => { setTimeout(resolve, 700); }); // What is under way must land first.
      const lines = document.getText().split('\n');
      const functions = lines.filter((line) => line.startsWith('def '));
      assert.equal(new Set(functions).size, functions.length, document.getText());
      for (const line of typed) {
        // A line that was typed at the end of one without a line feed stands behind its text.
        assert.equal(lines.filter((one) => one.endsWith(line)).length, 1, `${line}:\n${document.getText()}`);
      }
    }
  },

  async 'restarts asked for at once leave one server'() {
    const mine = () => fs.readdirSync('/proc').filter((pid) => /^\d+$/.test(pid)).filter((pid) => {
      try {
        return /ml_coach\0serve/.test(fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
          && fs.readFileSync(`/proc/${pid}/environ`, 'utf8').includes(process.env.HOME);
      } catch { return false; }
    });
    await Promise.all([1, 2, 3].map(() => vscode.commands.executeCommand('mlCoach.ui.restartServer')));
    assert.equal(mine().length, 1);
    assert.ok((await serve('models', {})).models.length > 0);
  },
};

exports.run = async () => {
  let failed = 0;
  console.log(`VS Code ${vscode.version}, remote ${vscode.env.remoteName}, workspace ${root().scheme}`);
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
      console.log(`ok ${name}`);
    } catch (error) {
      failed++;
      console.log(`not ok ${name}\n${error.stack}`);
    }
  }
  if (failed > 0) throw new Error(`${failed} of ${Object.keys(tests).length} failed`);
};
