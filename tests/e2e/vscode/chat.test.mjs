// VS Code's own chat: @coach, and the tools that its agent mode can call. No account is needed: a test's extension brings a model.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { DIVIDED, PROMPT, RIGHT } from './model.mjs';
import { packed, scene, until } from './stage.mjs';

const HERE = import.meta.dirname;
const STAGE = {
  user: { 'chat.disableAIFeatures': false },
  extensions: [packed(path.join(HERE, 'provider')), packed(path.join(HERE, 'chatter'))],
  page: { width: 1500, height: 1000 },
};

const chat = (wb) => wb.page.locator('.part.auxiliarybar');
const answer = (wb) => chat(wb).locator('.interactive-item-container.interactive-response').last();
const button = (wb, title) => answer(wb).locator('.monaco-button', { hasText: title }).first();
const followup = (wb, title) => chat(wb).locator('.interactive-session-followups .monaco-button', { hasText: title }).first();

async function ask(wb, query) {
  await wb.command('E2E: Ask');
  await wb.answer(query);
  await chat(wb).getByText('Scripted', { exact: true }).first().waitFor();
  // What is sent before the whole of it is there is "@coach" alone.
  const box = chat(wb).locator('.interactive-input-part .view-lines').last();
  await until(async () => (await box.innerText()).includes(query.split(' ').at(-1)), 'the prompt in the box');
  await chat(wb).locator('.chat-execute-toolbar .action-label').last().click();
}

const noted = ({ folder }, file) => until(() => {
  try {
    return JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8'));
  } catch {
    return undefined; // Not written yet, or in part.
  }
}, file);

scene('a prompt in the chat becomes a run, with its patch, its end and its explanation there', { name: 'chat', ...STAGE }, async (stage) => {
  const { wb, read } = stage;
  await wb.ready.waitFor();
  await ask(wb, `@coach /generate ${PROMPT}`);
  await button(wb, 'Apply').waitFor();
  await wb.shot('01-patch');
  // It is asked about in one place.
  for (const text of ['has a patch', 'ML Coach: generating']) assert.equal(await wb.notification(text).count(), 0);
  await button(wb, 'Apply').click();
  await button(wb, 'Show Run').waitFor();
  await answer(wb).getByText('passed: 5 of 5 tests pass').waitFor();
  await until(() => read('generated_code.py').includes(RIGHT), 'the fix in the file');
  await wb.shot('02-passed');

  await followup(wb, 'Explain').click();
  await answer(wb).getByText('Tests that judge').waitFor();
  await wb.shot('03-explained');
  await ask(wb, '@coach A window that is longer than the list gives an empty list: moving_average([1], 2) == []');
  await button(wb, 'Apply').click(); // The model forgets its correction.
  await button(wb, 'Show Run').waitFor();
  await wb.shot('04-refined');
  await until(() => read('test_generated.py').includes('moving_average([1], 2) == []'), 'the new test in the file');
  await button(wb, 'Undo').click();
  await until(() => !read('test_generated.py').includes('moving_average([1], 2) == []'), 'the run taken back');

  await ask(wb, `@coach /generate ${PROMPT} Answer slowly.`);
  await answer(wb).getByText('Iteration 1').first().waitFor();
  await chat(wb).locator('.chat-execute-toolbar .codicon-stop-circle').first().click();
  await until(async () => {
    await wb.command('E2E: Runs');
    return (await noted(stage, 'runs.json')).runs[0].outcome === 'stopped';
  }, 'the stopped run');
  await wb.shot('05-stopped');
});

scene('a question is answered by a button in the chat', {
  name: 'chat-question', ...STAGE, model: 'small', machine: { 'mlCoach.maxQuestions': 1 },
}, async ({ wb, read }) => {
  await wb.ready.waitFor();
  await ask(wb, `@coach ${DIVIDED}`);
  await button(wb, "'a-b-c'").waitFor();
  await wb.shot('01-asked');
  await button(wb, "'a-b-c'").click();
  await until(() => read('test_generated.py').includes("assert slugify('A B_c') == 'a-b-c'"), 'the confirmed test in the file');
  await button(wb, 'Show Run').waitFor();
  await wb.shot('02-answered');
});

const PROGRAM = { path: 'double.py', text: 'def double(n):\n    return n * 2\n' };
const TESTS = { path: 'test_double.py', text: 'from double import double\n\n\ndef test_two():\n    assert double(2) == 4\n\n\ndef test_three():\n    assert double(3) == 6\n\n\ndef test_nothing():\n    double(1)\n' };

scene('the tools for agents run tests in the sandbox, and nothing outside the folder', {
  name: 'chat-tools', ...STAGE,
  files: { 'main.py': '"""A program of the user."""\n', 'double.py': PROGRAM.text, 'test_double.py': TESTS.text.replace('== 6', '== 7') },
}, async (stage) => {
  const { wb } = stage;
  await wb.ready.waitFor();
  const call = async (tool, input, file) => {
    await wb.command('E2E: Call');
    await wb.answer(JSON.stringify({ tool, input, file }));
    const dialog = wb.page.locator('.monaco-dialog-box');
    await dialog.waitFor();
    await wb.shot(file);
    await dialog.getByRole('button', { name: 'Yes' }).click();
    const { texts, refused } = await noted(stage, file);
    return refused ?? JSON.parse(texts[0]);
  };
  const sent = await call('mlCoach_verify', { files: [PROGRAM, TESTS] }, '01-texts.json');
  assert.equal(sent.verdict, 'passed', JSON.stringify(sent));
  assert.equal(sent.tests.length, 3);
  const folder = await call('mlCoach_verify', { path: '.' }, '02-folder.json');
  assert.deepEqual(folder.tests.filter(({ outcome }) => outcome === 'failed').map(({ name }) => name), ['test_double.py::test_three']);
  assert.match(await call('mlCoach_verify', { path: '/etc' }, '03-outside.json'), /outside the workspace folders/);
  const filtered = await call('mlCoach_filterTests', { files: [PROGRAM, TESTS] }, '04-filtered.json');
  const verdicts = Object.fromEntries(filtered.tests.map(({ test, verdict }) => [test, verdict]));
  assert.equal(verdicts['test_double.py::test_nothing'], 'cannot_fail', JSON.stringify(filtered));
  assert.equal(verdicts['test_double.py::test_two'], 'notices');

  await wb.command('MCP: List Servers');
  await wb.row('ML Coach').waitFor();
  await wb.shot('05-mcp-servers');
  await wb.pick('ML Coach');
  await wb.pick('Start Server');
  await until(async () => {
    await wb.command('E2E: Runs');
    return (await noted(stage, 'runs.json')).tools.some((name) => /^mcp_.*verify$/.test(name));
  }, 'the tools of the MCP server');
});
