// The language server's life: killed, killed too often, not to be had, not trusted.
import assert from 'node:assert/strict';
import { PROMPT } from './model.mjs';
import { languageServers, scene, until } from './stage.mjs';

scene('a killed server is started again; after five crashes it is left alone', { name: 'crash' }, async (stage) => {
  const { wb } = stage;
  const { ready } = wb;
  await ready.waitFor();
  await wb.command('ML Coach: Generate');
  await wb.answer(`${PROMPT} Think slowly.`);
  // From its first iteration on a run is in the log, so that it can be resumed.
  await wb.notification('ML Coach: generating').filter({ hasText: 'iteration 1' }).waitFor();

  let [server] = await until(() => languageServers(stage).length > 0 && languageServers(stage), 'the server');
  for (let crash = 1; crash <= 5; crash++) {
    process.kill(server, 'SIGKILL');
    if (crash === 5) break;
    const old = server;
    [server] = await until(() => {
      const now = languageServers(stage).filter((pid) => pid !== old);
      return now.length > 0 && now;
    }, `start ${crash + 1}`);
    await ready.waitFor();
    if (crash === 1) {
      await wb.notification('ML Coach: generating').waitFor({ state: 'detached' });
      await wb.command('View: Show ML Coach');
      await wb.treeRow('unfinished').waitFor();
      await wb.shot('01-restarted');
      await wb.command('ML Coach: Resume Run');
      await wb.notification('ML Coach: generating').waitFor();
      await wb.shot('01-resumed');
    }
  }
  await wb.notification('crashed five times').waitFor();
  await wb.statusItem('ML Coach: not running').waitFor();
  await wb.treeRow('running').waitFor({ state: 'detached' });
  await wb.shot('02-given-up');
  await wb.button('crashed five times', 'Show Log');
  await wb.logLine('ended unexpectedly').waitFor();
  await wb.shot('03-log');
  await wb.command('ML Coach: Restart Server');
  await ready.waitFor();
});

scene('without Python the user reads what is missing and what to do', {
  name: 'no-python', command: null, open: false, path: '/nonexistent',
}, async (stage) => {
  const wb = await stage.openPage();
  await wb.notification('ML Coach needs Python 3.11 or newer').waitFor();
  await wb.statusItem('ML Coach: not running').waitFor();
  await wb.shot('01-message');
  await wb.button('ML Coach needs Python', 'Open Settings');
  await wb.page.locator('.settings-editor').waitFor();
  await wb.shot('02-settings');
});

scene('a command that does not start is named, with the log at hand', {
  name: 'bad-command', command: ['/bin/false', 'serve'],
}, async ({ wb }) => {
  await wb.notification('does not answer as a language server').waitFor();
  await wb.shot('01-message');
  await wb.button('does not answer', 'Show Log');
  await wb.logLine('/bin/false').waitFor();
  await wb.shot('02-log');
});

scene('in a folder that is not trusted nothing runs', {
  name: 'untrusted', trust: false, files: { 'a.py': 'x = 1\n' },
  user: { 'security.workspace.trust.startupPrompt': 'never', 'security.workspace.trust.banner': 'never' },
}, async (stage) => {
  const { wb } = stage;
  await wb.openFile('a.py');
  await wb.command('Workspaces: Manage Workspace Trust');
  await wb.page.getByText('You are in Restricted Mode').waitFor();
  await wb.shot('01-restricted');
  // The extension is not even activated: no server, and no item in the status bar.
  assert.deepEqual(languageServers(stage), []);
  assert.equal(await wb.statusItem('ML Coach').count(), 0);
  await wb.page.getByRole('button', { name: 'Trust', exact: true }).click();
  await wb.ready.waitFor();
  await wb.shot('02-trusted');
  assert.equal(languageServers(stage).length, 1);
});
