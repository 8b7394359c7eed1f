// A patch in the diff editor, the run in its view, its tests in the Test Explorer.
import assert from 'node:assert/strict';
import { PROMPT, RIGHT, WRONG } from './model.mjs';
import { scene, until } from './stage.mjs';

scene('a patch is read as a diff and applied from there', { name: 'review' }, async ({ wb, read }) => {
  await wb.command('ML Coach: Generate');
  await wb.answer(PROMPT);
  await wb.button('ML Coach has a patch', 'Show Diff');
  await wb.diffEditor.waitFor();
  await wb.diffEditor.locator('.line-insert, .char-insert').first().waitFor();
  await wb.shot('01-diff');

  await wb.command('View: Show ML Coach');
  await wb.treeRow('Patch waiting').waitFor();
  await wb.shot('02-runs-while-waiting');

  await wb.titleAction('Apply Patch').click();
  await wb.notification('5 of 5 tests pass').waitFor();
  await until(() => read('generated_code.py').includes(RIGHT), 'the fix in the file');
  await wb.diffEditor.waitFor({ state: 'detached' });
  await wb.treeRow('Patch applied').waitFor();
  await wb.shot('03-runs-when-passed');

  await wb.treeRow('test_pairs').last().click();
  await wb.tab('test_generated.py').waitFor();
  await wb.treeRow('Debugging').click();
  await wb.webview.getByText('Iteration 2 of 3').waitFor();
  await wb.shot('04-run-as-a-page');
});

scene('a discarded patch leaves the file alone', { name: 'discard', machine: { 'mlCoach.maxIters': 2 } }, async ({ wb, read }) => {
  await wb.command('ML Coach: Generate');
  await wb.answer(PROMPT);
  await wb.button('ML Coach has a patch', 'Discard');
  await wb.notification('generated_code.py: ').and(wb.notification('used up')).or(wb.notification('No further')).first().waitFor();
  await wb.shot('01-discarded');
  assert.ok(read('generated_code.py').includes(WRONG));
});

scene('the Test Explorer shows the generated tests and runs them again', { name: 'tests' }, async ({ wb }) => {
  await wb.command('ML Coach: Generate');
  await wb.answer(PROMPT);
  await wb.notification('ML Coach has a patch').waitFor();
  await wb.command('Testing: Focus on Test Explorer View');
  const row = (text) => wb.page.locator('.test-explorer .monaco-list-row', { hasText: text }).first();
  await row('test_generated.py').waitFor();
  await row('test_generated.py').click();
  await wb.page.keyboard.press('ArrowRight');
  await row('test_pairs').waitFor();
  await wb.shot('01-failed');
  await wb.button('ML Coach has a patch', 'Apply');
  await wb.notification('5 of 5 tests pass').waitFor();
  await wb.shot('02-passed');

  await wb.command('Test: Run All Tests');
  await wb.notification('ML Coach: debugging').or(wb.notification('ML Coach: running')).first().waitFor();
  await wb.shot('03-again');
  await wb.page.locator('.test-explorer', { hasText: '5/5' }).waitFor();
});
