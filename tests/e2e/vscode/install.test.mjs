// The private environment: made from the wheel inside the vsix, under a notification with Cancel.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { languageServers, scene, until } from './stage.mjs';

const environments = ({ work }) => path.join(work, 'run/user-data/User/globalStorage/ml-coach.ml-coach/environments');

scene('without a server anywhere one is installed; cancelling leaves nothing', { name: 'install', command: null }, async (stage) => {
  const { wb } = stage;
  await wb.notification('installing its language server').waitFor();
  await wb.shot('01-installing');
  await wb.button('installing its language server', 'Cancel');
  await wb.statusItem('ML Coach: not running').waitFor();
  await until(() => fs.readdirSync(environments(stage)).length === 0, 'nothing left of it');

  await wb.command('ML Coach: Restart Server');
  const seconds = 300;
  await wb.page.locator('.statusbar-item .codicon-mortar-board').first().waitFor({ timeout: seconds * 1000 });
  await wb.shot('02-ready');
  const [pid] = await until(() => languageServers(stage).length > 0 && languageServers(stage), 'the server');
  assert.ok(fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(environments(stage)));
  await wb.command('ML Coach: Doctor');
  await wb.webview.getByText('ML Coach: Doctor').waitFor();
});
