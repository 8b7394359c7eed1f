// A patch in the diff editor, the run in its view, its tests in the Test Explorer.
import assert from 'node:assert/strict';
import { PROMPT, RIGHT, WRONG, WRONG_TWICE } from './model.mjs';
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
  await wb.notification('generated_code.py passed: 5 of 5 tests pass').waitFor();
  await until(() => read('generated_code.py').includes(RIGHT), 'the fix in the file');
  await wb.diffEditor.waitFor({ state: 'detached' });
  await wb.treeRow('Patch applied').waitFor();
  await wb.lens('test_generated.py', '5 of 5 pass').waitFor();
  await wb.shot('03-runs-when-passed');

  await wb.treeRow('test_given_1').last().click();
  await wb.tab('test_generated.py').waitFor();
  await wb.treeRow('Debugging').click();
  await wb.webview.getByText('Iteration 2 of 3').waitFor();
  await wb.shot('04-run-as-a-page');
});

scene('an earlier prompt is taken up again, and Apply All takes every patch of its run', { name: 'again' }, async ({ wb, read }) => {
  await wb.command('ML Coach: Generate');
  await wb.answer(PROMPT);
  await wb.button('ML Coach has a patch', 'Discard');
  await wb.notification('The same program came back').waitFor();
  await wb.lens('test_generated.py', '2 of 5 pass').waitFor();
  await wb.shot('01-discarded');
  assert.ok(read('generated_code.py').includes(WRONG));

  await wb.command('ML Coach: Generate');
  await wb.page.locator('.quick-input-widget [aria-label="Earlier prompts"]').click();
  await wb.row('Write moving_average').waitFor();
  await wb.shot('02-history');
  await wb.pick('Write moving_average');
  await until(async () => (await wb.input.inputValue()) === PROMPT, 'the earlier prompt in the box');
  await wb.shot('03-taken-up');
  await wb.answer(WRONG_TWICE);

  await wb.button('ML Coach has a patch', 'Show Diff');
  await wb.diffEditor.locator('.line-insert, .char-insert').first().waitFor();
  await wb.titleAction('Apply All Patches').hover();
  await wb.shot('04-diff');
  await wb.titleAction('Apply All Patches').click();
  await wb.notification('generated_code.py passed: 5 of 5 tests pass').waitFor();
  await until(() => read('generated_code.py').includes(`/ window for i in ${RIGHT}`), 'both fixes in the file');
  await wb.command('View: Show ML Coach');
  await wb.treeRow('passed').waitFor();
  await wb.shot('05-both-applied');

  await wb.command('ML Coach: Show Run');
  await wb.row('gave up').waitFor();
  await wb.shot('06-which');
  await wb.pick('gave up');
  await wb.webview.getByText('The same program came back').first().waitFor();
  await wb.treeRow('Iteration 3 of 3').waitFor();
  await wb.shot('07-shown');
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
  await row('test_given_1').locator('.test-label-description', { hasText: 'given' }).waitFor();
  await wb.shot('01-failed');
  await wb.statusItem('waiting for your decision').click();
  await wb.titleAction('Apply Patch').click();
  // The question goes, the message with which the run ends stays.
  await wb.notification('ML Coach has a patch').waitFor({ state: 'detached' });
  await wb.notification('generated_code.py passed: 5 of 5 tests pass').waitFor();
  await wb.shot('02-passed');

  await wb.command('Test: Run All Tests');
  await wb.notification('ML Coach: testing generated_code.py').waitFor();
  await wb.shot('03-again');
  await wb.page.locator('.test-explorer', { hasText: '5/5' }).waitFor();

  // A rerun stands apart, and there is nothing of it to undo.
  await wb.command('View: Show ML Coach');
  await wb.treeRow('Test runs').click();
  await wb.treeRow('Test generated').filter({ hasText: 'passed' }).waitFor();
  await wb.shot('04-test-runs-apart');
  // It calls no test the user's own that the prompt or the model brought.
  await wb.show('test_generated.py');
  for (const origin of ['given', 'stated', 'guessed']) await wb.lens('test_generated.py', `${origin}, passed`).waitFor();
  assert.equal(await wb.lens('test_generated.py', 'own, ').count(), 0);
  await wb.shot('05-where-tests-come-from');
  await wb.command('ML Coach: Undo Run');
  await wb.told('the run was undone');
  await wb.command('ML Coach: Show Run');
  await wb.row('passed').nth(0).waitFor();
  await wb.shot('06-picker');
});
