// The pages of `ml-coach report` in a real browser: what programs wrote is neither run nor fetched.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import { PYTHON, ROOT, SHOTS } from './stage.mjs';

const HOSTILE = `</pre></script><script>document.title='run'</script><img src="http://127.0.0.1:9/x" onerror="document.title='run'">\u202Eevil`;
const folder = fs.mkdtempSync(path.join(process.env.TMPDIR ?? '/tmp', 'coach-page-'));

/** A batch of one run, as `ml-coach batch` leaves it. */
function writeBatch() {
  const run = path.join(folder, 'runs', 'hostile-1');
  fs.mkdirSync(run, { recursive: true });
  const request = { prompt: `Write f(x).\n${HOSTILE}` };
  const program = (source) => ({ source: `${source}# ${HOSTILE}\n`, file: 'generated_code.py' });
  const before = program('def f(x):\n    return x\n'), after = program('def f(x):\n    return x + 1\n');
  const events = [
    { event: 'RunStarted', run_id: 'hostile-1', request, model: 'recorded:x', folder: '' },
    { event: 'ProgramWritten', program: before, done: [] },
    { event: 'CandidateChosen', program: after, candidates: 4, agreeing: 3 },
  ];
  const lines = (items) => items.map((item) => `${JSON.stringify(item)}\n`).join('');
  fs.writeFileSync(path.join(run, 'events.jsonl'), lines(events));
  const row = (id, line, outcome, seconds, folder) => ({ id, line, outcome, reason: HOSTILE, seconds, folder });
  fs.writeFileSync(path.join(folder, 'results.jsonl'), lines([
    row(HOSTILE, 1, 'gave_up', 12.5, 'runs/hostile-1'), row('second', 2, 'passed', 3.5, ''), row('third', 3, 'unsure', 30, ''),
  ]));
}

test('a page shows hostile text as text, in light and dark, by keyboard', { timeout: 600_000 }, async () => {
  writeBatch();
  const page = path.join(folder, 'page.html');
  execFileSync(PYTHON, ['-m', 'ml_coach', 'report', folder, '-o', page], { cwd: ROOT });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: ['--no-sandbox', '--disable-gpu'],
  });
  try {
    for (const colorScheme of ['light', 'dark']) {
      const tab = await browser.newPage({ colorScheme, viewport: { width: 1100, height: 900 } });
      tab.setDefaultTimeout(120_000);
      const asked = [], errors = [];
      tab.on('request', (request) => asked.push(request.url()));
      tab.on('pageerror', (error) => errors.push(String(error)));
      await tab.goto(`file://${page}`);
      await tab.keyboard.press('Tab');
      assert.equal(await tab.evaluate('document.activeElement.className'), 'skip');
      const summary = tab.locator('details.run > summary');
      await summary.focus();
      await tab.keyboard.press('Enter');
      await tab.locator('details.run[open]').waitFor();
      await tab.keyboard.press('Enter');
      // The table's link opens the run, too.
      await tab.locator('th a[href="#hostile-1"]').press('Enter');
      await tab.locator('details.run ins', { hasText: 'return x + 1' }).waitFor();
      await tab.locator('details.run pre.prompt', { hasText: `</script><script>document.title='run'` }).waitFor();
      assert.match(await tab.title(), /^Batch .* ML Coach$/);
      assert.equal(await tab.locator('script, img, iframe').count(), 0);
      assert.equal(await tab.locator('circle').count(), 3);
      assert.ok(!(await tab.content()).includes('\u202E'));
      // The style counts: the policy names its hash.
      const dark = await tab.evaluate("getComputedStyle(document.body).backgroundColor !== 'rgb(255, 255, 255)'");
      assert.equal(dark, colorScheme === 'dark');
      assert.deepEqual(asked, [`file://${page}`]);
      assert.deepEqual(errors, []);
      fs.mkdirSync(SHOTS, { recursive: true });
      await tab.screenshot({ path: path.join(SHOTS, `page-${colorScheme}.png`), fullPage: true });
      await tab.close();
    }
  } finally {
    await browser.close();
    fs.rmSync(folder, { recursive: true, force: true });
  }
});
