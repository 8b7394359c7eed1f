// The walkthrough. ML_COACH_PICTURES=1 takes its four pictures again and the README's, dark and light.
import fs from 'node:fs';
import path from 'node:path';
import { PROMPT } from './model.mjs';
import { ROOT, scene } from './stage.mjs';

// The walkthrough scales its pictures to 440 to 600 pixels: a small window keeps the words readable.
const SIZE = { width: 640, height: 430, scale: 2 };
const THEMES = { dark: 'Default Dark Modern', light: 'Default Light Modern' };

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

for (const [theme, colorTheme] of Object.entries(process.env.ML_COACH_PICTURES === undefined ? {} : THEMES)) {
  const user = { 'workbench.colorTheme': colorTheme, 'editor.wordWrap': 'on', 'editor.stickyScroll.enabled': false };
  const page = { ...SIZE, theme };
  // The box at the top, which is as wide in each window from here on.
  const box = { ...SIZE, width: 800, theme };
  const take = async (wb, file, bound, clip) => {
    // Away from what would show a hint.
    await wb.page.mouse.move(400, 300);
    await wb.page.locator('.workbench-hover').waitFor({ state: 'hidden' });
    await wb.page.screenshot({ path: path.join(ROOT, file), clip });
    if (fs.statSync(path.join(ROOT, file)).size > bound) throw new Error(`${file} is too large`);
  };
  const step = (wb, name, clip) => take(wb, `client-vscode/assets/walkthrough/${name}-${theme}.png`, 200_000, clip);
  const asked = async (wb) => {
    await wb.ready.waitFor();
    await wb.command('ML Coach: Generate');
    await wb.answer(PROMPT);
    await wb.button('ML Coach has a patch', 'Show Diff');
    await wb.diffEditor.locator('.line-insert, .char-insert').first().waitFor();
  };

  scene(`picture of the models, ${theme}`, { name: `picture-models-${theme}`, model: null, user, page: box }, async ({ wb }) => {
    await wb.ready.waitFor();
    await wb.command('ML Coach: Select Model');
    await wb.row('local:').waitFor();
    await step(wb, 'model', { x: 140, y: 0, width: 520, height: 224 });
  });

  scene(`picture of the prompt, ${theme}`, { name: `picture-prompt-${theme}`, user, page: box }, async ({ wb }) => {
    await wb.ready.waitFor();
    await wb.command('ML Coach: Generate');
    await wb.input.waitFor();
    await wb.input.fill('Write median(values); median([3, 1, 2]) == 2');
    await step(wb, 'generate', { x: 140, y: 0, width: 520, height: 124 });
  });

  scene(`pictures, ${theme}`, { name: `pictures-${theme}`, user, page }, async ({ wb }) => {
    await wb.ready.waitFor();
    await wb.command('View: Toggle Primary Side Bar Visibility');
    await asked(wb);
    await step(wb, 'fix', { x: 48, y: 36, width: 592, height: 250 });
    await wb.titleAction('Apply Patch').click();
    await wb.notification('generated_code.py passed: 5 of 5 tests pass').waitFor();
    await wb.command('Notifications: Clear All Notifications');
    await wb.show('test_generated.py');
    await wb.lens('test_generated.py', '5 of 5 pass').waitFor();
    await step(wb, 'what', { x: 48, y: 36, width: 592, height: 360 });
  });

  scene(`picture of the README, ${theme}`, { name: `readme-${theme}`, user, page: { width: 1248, height: 540, theme } }, async ({ wb }) => {
    await asked(wb);
    await wb.command('View: Show ML Coach');
    await wb.treeRow('Patch waiting').waitFor();
    await take(wb, `docs/pictures/vscode-${theme}.png`, 300_000);
  });
}
