// Figures, not tests: how long the user waits. Medians of several fresh windows.
import { PROMPT } from './model.mjs';
import { scene } from './stage.mjs';

const WINDOWS = 5;

scene('cold start and first progress', { name: 'figures', open: false, files: { 'a.py': 'x = 1\n' } }, async ({ openPage }) => {
  const ready = [], progress = [];
  for (let n = 0; n < WINDOWS; n++) {
    const wb = await openPage();
    // From the extension's own item (it shows as soon as it is activated) to the server's "ready".
    await wb.page.locator('.statusbar-item', { hasText: 'ML Coach' }).first().waitFor();
    const activated = Date.now();
    await wb.page.locator('.statusbar-item .codicon-mortar-board').first().waitFor();
    ready.push(Date.now() - activated);
    await wb.command('ML Coach: Generate');
    await wb.input.waitFor();
    await wb.input.fill(`${PROMPT} Think slowly, number ${n}.`);
    const asked = Date.now();
    await wb.page.keyboard.press('Enter');
    await wb.notification('ML Coach: generating').waitFor();
    progress.push(Date.now() - asked);
    await wb.button('ML Coach: generating', 'Cancel');
    await wb.close();
  }
  console.log(`activated → server ready: ${shown(ready)}`);
  console.log(`Enter in the prompt box → first progress on the screen: ${shown(progress)}`);
});

function shown(milliseconds) {
  const sorted = [...milliseconds].sort((a, b) => a - b);
  return `median ${sorted[Math.floor(sorted.length / 2)]} ms, ${sorted[0]} to ${sorted.at(-1)} ms, n = ${sorted.length}`;
}
