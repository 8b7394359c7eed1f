// The walkthrough. ML_COACH_PICTURES=1 takes its four pictures again, and the README's.
import fs from 'node:fs';
import path from 'node:path';
import { PROMPT } from './model.mjs';
import { ROOT, scene } from './stage.mjs';

// The walkthrough scales its pictures to about 600 pixels: a small window keeps the words readable.
const SIZE = { width: 800, height: 500, scale: 2 };

scene('the walkthrough opens with its four steps', { name: 'walkthrough', page: { width: 1700, height: 900 } }, async ({ wb }) => {
  await wb.command('Welcome: Open Walkthrough...');
  await wb.pick('Get started with ML Coach');
  const steps = wb.page.locator('.getting-started-step');
  await steps.nth(3).waitFor();
  await wb.shot('01-steps');
  for (const [n, title] of ['What it does', 'Pick a model', 'Generate', 'Accept a fix'].entries()) {
    await steps.filter({ hasText: title }).first().click();
    await wb.page.locator('.getting-started-media img').first().waitFor();
    await wb.shot(`0${n + 2}-${title.toLowerCase().replaceAll(' ', '-')}`);
  }
});

if (process.env.ML_COACH_PICTURES !== undefined) {
  const take = async (wb, name, clip) => {
    const file = path.join(ROOT, `client-vscode/assets/walkthrough/${name}.png`);
    await wb.page.screenshot({ path: file, clip });
    if (fs.statSync(file).size > 200_000) throw new Error(`${file} is too large`);
  };
  scene('picture of the models', { name: 'picture-models', model: null, page: SIZE }, async ({ wb }) => {
    await wb.ready.waitFor();
    await wb.command('ML Coach: Select Model');
    await wb.row('local:').waitFor();
    await take(wb, 'model', { x: 90, y: 0, width: 620, height: 400 });
  });

  scene('pictures', { name: 'pictures', page: SIZE }, async ({ wb }) => {
    await wb.ready.waitFor();
    await wb.command('ML Coach: Generate');
    await wb.input.waitFor();
    await wb.input.fill('moving_average(values, window); moving_average([1, 2, 3], 2) == [1.5, 2.5]');
    await take(wb, 'generate', { x: 90, y: 0, width: 620, height: 250 });
    await wb.answer(PROMPT);
    await wb.button('ML Coach has a patch', 'Show Diff');
    await wb.diffEditor.locator('.line-insert, .char-insert').first().waitFor();
    await wb.command('View: Show ML Coach');
    await wb.treeRow('Patch waiting').waitFor();
    await take(wb, 'fix', { x: 0, y: 36, width: 800, height: 440 });
    await wb.titleAction('Apply Patch').click();
    await wb.notification('generated_code.py passed: 5 of 5 tests pass').waitFor();
    await wb.show('test_generated.py');
    await take(wb, 'what', { x: 0, y: 36, width: 800, height: 440 });
  });

  scene('picture of the README', { name: 'readme', page: { width: 1248, height: 540 } }, async ({ wb }) => {
    await wb.page.locator('.statusbar-item .codicon-mortar-board').first().waitFor();
    await wb.command('ML Coach: Generate');
    await wb.answer(PROMPT);
    await wb.button('ML Coach has a patch', 'Show Diff');
    await wb.diffEditor.locator('.line-insert, .char-insert').first().waitFor();
    await wb.command('View: Show ML Coach');
    await wb.treeRow('Patch waiting').waitFor();
    // Away from the tabs, which would show a hint.
    await wb.page.mouse.move(700, 360);
    await wb.page.locator('.workbench-hover').waitFor({ state: 'hidden' });
    const file = path.join(ROOT, 'docs/pictures/vscode.png');
    await wb.page.screenshot({ path: file });
    if (fs.statSync(file).size > 300_000) throw new Error(`${file} is too large`);
  });
}
