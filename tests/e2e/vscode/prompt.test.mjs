// Prompts of several lines, and what an earlier window left in the Test Explorer.
import assert from 'node:assert/strict';
import { PROMPT, RIGHT } from './model.mjs';
import { scene, until } from './stage.mjs';

const [FIRST, ...REST] = PROMPT.split('. ');

scene('a prompt of several lines is written in an editor', { name: 'prompt', machine: { 'mlCoach.autoPatch': true } }, async ({ wb, read }) => {
  await wb.command('ML Coach: Generate');
  await wb.input.waitFor();
  await wb.input.fill(`${FIRST}.`);
  await wb.shot('01-box');
  await wb.page.locator('.quick-input-titlebar .codicon-edit').first().click();
  await wb.page.locator('.tab[data-resource-name^="Untitled"]').first().waitFor();
  // Keys that are pressed before the editor has the focus are lost.
  const line = (text) => wb.page.locator('.monaco-editor.focused .view-line', { hasText: text }).first();
  await line(FIRST).click();
  await wb.page.keyboard.press('Control+End');
  for (const sentence of REST) {
    await wb.page.keyboard.press('Enter');
    await wb.page.keyboard.insertText(`- ${sentence}`);
    await line(`- ${sentence}`).waitFor();
  }
  await wb.shot('02-editor');
  await wb.titleAction('Generate from This Prompt').click();

  await wb.notification('generated_code.py passed: 5 of 5 tests pass').waitFor();
  await until(() => read('generated_code.py').includes(RIGHT), 'the program');
  // Nothing asks whether to save the prompt.
  assert.equal(await wb.page.locator('.tab[data-resource-name^="Untitled"]').count(), 0);

  // A new window knows the tests of the run from its log.
  await wb.page.reload();
  await wb.ready.waitFor();
  await wb.command('Testing: Focus on Test Explorer View');
  await wb.treeRow('test_generated.py').waitFor();
  await wb.shot('03-tests-of-an-earlier-window');
});
