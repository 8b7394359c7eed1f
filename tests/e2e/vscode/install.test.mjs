// Where the server comes from: the interpreter that the user selected, else an environment of the
// extension's own, made from the wheel inside the vsix.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { languageServers, packed, processesOf, PYTHON, scene, until } from './stage.mjs';

const BARE = '/usr/bin/python3';
const environments = ({ work }) => path.join(work, 'run/user-data/User/globalStorage/ml-coach.ml-coach/environments');
const commandOf = async (stage) => {
  const [pid] = await until(() => languageServers(stage).length === 1 && languageServers(stage), 'the server');
  return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ');
};

const tools = fs.mkdtempSync(path.join(os.tmpdir(), 'coach-tools-'));
const pipConfig = path.join(tools, 'pip.conf');
fs.writeFileSync(pipConfig, '[global]\nindex-url = http://127.0.0.1:9/simple\nextra-index-url =\nretries = 0\n');

scene('on a machine without the server one is installed: by pip, or by uv where that is', {
  name: 'install', command: null, path: `${tools}:/usr/bin:/bin`, env: { PIP_CONFIG_FILE: pipConfig },
}, async (stage) => {
  const { wb } = stage;
  assert.notEqual(spawnSync(BARE, ['-c', 'import ml_coach']).status, 0, 'the machine is not clean');

  // No index can be reached.
  await wb.notification('did not start').waitFor();
  await wb.shot('01-failed');
  await wb.button('did not start', 'Show Log');
  await wb.logLine('No matching distribution').waitFor();
  await wb.shot('02-log');
  await until(() => fs.readdirSync(environments(stage)).length === 0, 'nothing left of it');

  fs.writeFileSync(pipConfig, '');
  await wb.command('ML Coach: Restart Server');
  await wb.notification('installing its language server: Collecting').waitFor();
  await wb.shot('03-installing');
  await wb.button('installing its language server', 'Cancel');
  await wb.statusItem('ML Coach: not running').waitFor();
  await wb.shot('04-cancelled');
  await until(() => fs.readdirSync(environments(stage)).length === 0, 'nothing left of it');
  assert.deepEqual(processesOf(stage).filter(({ cmdline }) => /-m\0(pip|venv)/.test(cmdline)), []);

  await wb.statusItem('ML Coach: not running').click();
  await wb.ready.waitFor({ timeout: 600_000 });
  assert.ok((await commandOf(stage)).startsWith(environments(stage)));
  assert.doesNotMatch(configuration(stage), /^uv = /m);
  await wb.command('ML Coach: Doctor');
  await wb.webview.getByText('ML Coach: Doctor').waitFor();
  await wb.shot('05-by-pip');

  fs.rmSync(environments(stage), { recursive: true });
  fs.symlinkSync(uv(), path.join(tools, 'uv'));
  await wb.command('ML Coach: Restart Server');
  await wb.notification('installing its language server').waitFor();
  await wb.ready.waitFor({ timeout: 600_000 });
  await wb.shot('06-by-uv');
  assert.ok((await commandOf(stage)).startsWith(environments(stage)));
  assert.match(configuration(stage), /^uv = /m);
});

scene('the server of the interpreter that a stand-in for the Python extension names', {
  name: 'interpreter', command: null, env: { ML_COACH_E2E_INTERPRETER: PYTHON },
  extensions: [packed(path.join(import.meta.dirname, 'python'))],
}, async (stage) => {
  const { wb } = stage;
  await wb.ready.waitFor();
  assert.ok((await commandOf(stage)).startsWith(`${PYTHON} -P -m ml_coach serve`));

  await wb.command('Python: Select Interpreter');
  await wb.answer(BARE);
  // That one has no ml_coach, so an environment would be made from it.
  await wb.notification('installing its language server').waitFor();
  await wb.shot('01-without-ml-coach');
  await wb.button('installing its language server', 'Cancel');
  await wb.statusItem('ML Coach: not running').waitFor();

  await wb.command('Python: Select Interpreter');
  await wb.answer(PYTHON);
  await wb.ready.waitFor();
  assert.ok((await commandOf(stage)).startsWith(PYTHON));
  await wb.command('ML Coach: Doctor');
  await wb.webview.getByText(PYTHON).first().waitFor();
  await wb.shot('02-with-ml-coach');
});

function configuration(stage) {
  const { folder } = JSON.parse(fs.readFileSync(path.join(environments(stage), 'current.json'), 'utf8'));
  return fs.readFileSync(path.join(folder, 'pyvenv.cfg'), 'utf8');
}

/** The uv that is on the path may be a wrapper; uv itself tells its children where it is. */
function uv() {
  return execFileSync('uv', ['run', '--no-project', '--quiet', 'printenv', 'UV']).toString().trim();
}
