// Choosing a model, and the editor's own ones where there are none.
import path from 'node:path';
import { PROMPT } from './model.mjs';
import { packed, scene } from './stage.mjs';

scene('a model is chosen from the list', { name: 'models' }, async ({ wb }) => {
  await wb.command('ML Coach: Select Model');
  await wb.page.locator('.quick-input-list .monaco-list-row', { hasText: 'local:' }).first().waitFor();
  await wb.shot('01-list');
  await wb.page.keyboard.press('Escape');

  await wb.command('ML Coach: Set Gemini API Key');
  await wb.input.waitFor();
  await wb.shot('02-key');
  await wb.answer('not-a-real-key');
  await wb.command('ML Coach: Doctor');
  await wb.webview.getByText('sandbox').first().waitFor();
  await wb.shot('03-doctor');
});

scene('without models of the editor the user reads what to do', { name: 'editor-models', model: 'editor:' }, async ({ wb }) => {
  await wb.command('ML Coach: Generate');
  await wb.answer(PROMPT);
  await wb.notification('VS Code offers no language model here').waitFor();
  await wb.shot('01-message');
});

scene('a model that another extension brings serves a run', {
  name: 'editor-model',
  model: 'editor:',
  machine: { 'mlCoach.autoPatch': true },
  user: { 'chat.disableAIFeatures': false },
  extensions: [packed(path.join(import.meta.dirname, 'provider'))],
}, async ({ wb }) => {
  await wb.statusItem('ML Coach').waitFor();
  await wb.command('ML Coach: Select Model');
  await wb.page.locator('.quick-input-list .monaco-list-row', { hasText: 'editor:scripted' }).first().waitFor();
  await wb.shot('01-list');
  await wb.page.keyboard.press('Escape');
  await wb.command('ML Coach: Generate');
  await wb.answer(PROMPT);
  await wb.notification('5 of 5 tests pass').waitFor();
  await wb.shot('02-passed');
});
