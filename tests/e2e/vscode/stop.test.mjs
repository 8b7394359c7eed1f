// A run under way: what each agent writes, and Cancel, which is at once and leaves nothing.
import assert from 'node:assert/strict';
import { PROMPT } from './model.mjs';
import { OWN_SERVER, processesOf, scene, until } from './stage.mjs';

scene('Cancel ends a run at once and leaves no process', { name: 'cancel' }, async (stage) => {
  const { wb } = stage;
  await wb.statusItem('ML Coach').waitFor();
  await wb.command('ML Coach: Generate');
  await wb.answer(`${PROMPT} Think slowly.`);
  const progress = wb.notification('ML Coach: generating');
  await wb.notification('writing the program, line').waitFor();
  await wb.command('View: Show ML Coach');
  await wb.treeRow('Code').filter({ hasText: 'line' }).waitFor();
  await wb.treeRow('Test writing').filter({ hasText: 'line' }).waitFor();
  const spins = (title) => wb.treeRow(title).locator('.codicon-loading').count();
  assert.deepEqual([await spins('Research'), await spins('Code'), await spins('Test writing')], [0, 1, 1]);
  // The text comes as it is written, without a click.
  await wb.tab('generated_code.py (being written)').waitFor();
  await wb.page.locator('.view-line', { hasText: 'def moving_average' }).first().waitFor();
  await wb.shot('01-both-write');
  await wb.treeRow('Test writing').click();
  await wb.page.locator('.view-line', { hasText: 'import pytest' }).first().waitFor();
  await wb.shot('02-tests-being-written');
  const workers = () => processesOf(stage).filter(({ cmdline }) => /ml_coach\.(execution|models)/.test(cmdline)).length;
  const before = Date.now();
  await wb.button('ML Coach: generating', 'Cancel');
  await progress.waitFor({ state: 'detached' });
  await wb.statusItem('writing').waitFor({ state: 'detached' });
  const milliseconds = Date.now() - before;
  console.log(`Cancel → progress gone from the screen: ${milliseconds} ms`);
  // A second is the promise; two browsers' worth of slowness is allowed for.
  assert.ok(milliseconds < 3000);
  await wb.treeRow('stopped').waitFor();
  // What is over is nobody's writing any more.
  await wb.page.locator('.tab', { hasText: 'being written' }).first().waitFor({ state: 'detached' });
  await wb.shot('03-stopped');
  await until(() => workers() === 0, 'no worker of the run');
});

scene('Stop asks which one when several run', { name: 'stop', files: { 'one.py': '', 'two.py': '', 'three.py': '' } }, async ({ wb, set }) => {
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

  // A changed setting asks before it ends them, and offers to go on.
  const text = 'The setting mlCoach.server.command was changed';
  set({ 'mlCoach.server.command': [...OWN_SERVER, '--stdio'] });
  await wb.notification(`${text}. ML Coach's server restarts for that, which ends 2 runs`).waitFor();
  await wb.shot('04-restart-asked');
  await wb.button(text, 'Restart Now');
  await wb.notification(`two.py: ${text}, which ended the run.`).waitFor();
  await wb.command('View: Show ML Coach');
  await wb.treeRow('stopped').waitFor();
  await wb.shot('05-restarted');
  await wb.button(`two.py: ${text}`, 'Resume');
  await wb.notification('generating two.py').waitFor();
  await wb.shot('06-resumed');
  // What is no longer empty is not for Generate to fill.
  await wb.openFile('three.py');
  await wb.titleAction('Generate').waitFor();
  await wb.page.keyboard.type('x = 1');
  await wb.titleAction('Generate').waitFor({ state: 'detached' });
});
