// Choosing a model: the editor's own ones, where there are none, and Gemini with its key.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { PROMPT } from './model.mjs';
import { languageServers, packed, processesOf, scene, until } from './stage.mjs';

const KEY = 'not-a-real-key-8d1f';
const settingsOf = (work) => ['User', 'Machine'].map((kind) => fs.readFileSync(path.join(work, `run/user-data/${kind}/settings.json`), 'utf8')).join();

scene('a model is chosen from the list; a key goes to the server and nowhere else', { name: 'models', model: null }, async (stage) => {
  const { wb, work } = stage;
  await wb.command('ML Coach: Select Model');
  await wb.row('local:').waitFor();
  await wb.find('GOOGLE_API_KEY is not set');
  await wb.shot('01-list');
  await wb.input.fill('editor:'); // The list is at its end.
  await wb.pick('editor:');
  await until(() => settingsOf(work).includes('"mlCoach.model": "editor:"'), 'the choice in the settings');

  // There is none here.
  await wb.command('ML Coach: Generate');
  await wb.answer(PROMPT);
  await wb.notification('VS Code offers no language model here').waitFor();
  await wb.notification('ML Coach: generating').waitFor({ state: 'detached' });
  await wb.shot('02-no-model-in-the-editor');

  const [before] = languageServers(stage);
  await wb.command('ML Coach: Set Gemini API Key');
  await wb.input.waitFor();
  await wb.shot('03-key');
  await wb.answer(KEY);
  // The key is given to a new server.
  const [server] = await until(() => languageServers(stage).length === 1 && languageServers(stage)[0] !== before && languageServers(stage), 'the restart');
  const holders = processesOf(stage).filter(({ environ, cmdline }) => `${environ}${cmdline}`.includes(KEY));
  assert.deepEqual(holders.map(({ pid }) => pid), [server]);
  assert.ok(holders[0].environ.split('\0').includes(`GOOGLE_API_KEY=${KEY}`));

  await wb.command('ML Coach: Select Model');
  await wb.find('support for this SDK has ended'); // No longer that the key is missing.
  await wb.shot('04-with-key');
  await wb.pick('gemini:');
  await until(() => settingsOf(work).includes('"mlCoach.model": "gemini:'), 'the choice in the settings');
  await wb.command('ML Coach: Doctor');
  await wb.webview.getByText('gemini:').first().waitFor();
  await wb.shot('05-doctor');
  assert.equal(spawnSync('grep', ['-rlF', KEY, work]).stdout.toString(), '', 'no file holds the key');

  await wb.command('ML Coach: Set Gemini API Key');
  await wb.answer('');
  await until(() => languageServers(stage).some((pid) => pid !== server), 'the restart');
  await until(() => processesOf(stage).every(({ environ }) => !environ.includes(KEY)), 'a server without the key');
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
  await wb.row('editor:scripted').waitFor();
  await wb.shot('01-list');
  await wb.page.keyboard.press('Escape');
  await wb.command('ML Coach: Generate');
  await wb.answer(PROMPT);
  await wb.notification('generated_code.py passed: 5 of 5 tests pass').waitFor();
  await wb.shot('02-passed');
});
