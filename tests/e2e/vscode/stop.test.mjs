// Cancel in the middle of a run: at once, and nothing is left.
import assert from 'node:assert/strict';
import { PROMPT } from './model.mjs';
import { processesOf, scene, until } from './stage.mjs';

scene('Cancel ends a run at once and leaves no process', { name: 'cancel' }, async (stage) => {
  const { wb } = stage;
  await wb.statusItem('ML Coach').waitFor();
  await wb.command('ML Coach: Generate');
  await wb.answer(`${PROMPT} Think slowly.`);
  const progress = wb.notification('ML Coach: generating');
  await wb.notification('tokens/s').waitFor();
  await wb.shot('01-under-way');
  const workers = () => processesOf(stage).filter(({ cmdline }) => /ml_coach\.(execution|models)/.test(cmdline)).length;
  const before = Date.now();
  await wb.button('ML Coach: generating', 'Cancel');
  await progress.waitFor({ state: 'detached' });
  await wb.statusItem('tokens/s').waitFor({ state: 'detached' });
  const milliseconds = Date.now() - before;
  console.log(`Cancel → progress gone from the screen: ${milliseconds} ms`);
  // A second is the promise; two browsers' worth of slowness is allowed for.
  assert.ok(milliseconds < 3000);
  await wb.command('View: Show ML Coach');
  await wb.treeRow('stopped').waitFor();
  await wb.shot('02-stopped');
  await until(() => workers() === 0, 'no worker of the run');
});

scene('Stop asks which one when several run', { name: 'stop', files: { 'one.py': '', 'two.py': '', 'three.py': '' } }, async ({ wb }) => {
  for (const file of ['one.py', 'two.py']) {
    await wb.openFile(file);
    await wb.titleAction('Generate').waitFor();
    if (file === 'one.py') await wb.shot('00-empty-file');
    await wb.titleAction('Generate').click();
    await wb.answer(`${PROMPT} Think slowly in ${file}.`);
    await wb.notification(`generating ${file}`).waitFor();
  }
  await wb.command('ML Coach: Stop');
  await wb.page.locator('.quick-input-list .monaco-list-row', { hasText: 'running' }).nth(1).waitFor();
  await wb.shot('01-which');
  await wb.pick('two.py');
  await until(async () => (await wb.page.locator('.notification-toast', { hasText: 'ML Coach: generating' }).count()) === 1, 'one run left');
  await wb.notification('generating one.py').waitFor();
  await wb.shot('02-one-left');

  await wb.command('ML Coach: Resume Run');
  await wb.notification('generating two.py').waitFor();
  await wb.shot('03-resumed');
  // What is no longer empty is not for Generate to fill.
  await wb.openFile('three.py');
  await wb.titleAction('Generate').waitFor();
  await wb.page.keyboard.type('x = 1');
  await wb.titleAction('Generate').waitFor({ state: 'detached' });
});
