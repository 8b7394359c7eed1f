// What @vscode/test-electron would do, which would have to download VS Code: the page's payload
// names a test script, which VS Code runs in its extension host.
import assert from 'node:assert/strict';
import path from 'node:path';
import { PROMPT, RIGHT } from './model.mjs';
import { ROOT, scene } from './stage.mjs';

// How many runs the user types into; index.cjs makes them one after the other.
const RACES = Number(process.env.ML_COACH_RACES ?? 10);
const LIMIT_MS = (300 + 30 * RACES) * 1000;

scene('inside the extension host', {
  name: 'inhost',
  smoke: true,
  open: false,
  env: {
    ML_COACH_E2E_TASK: JSON.stringify({ prompt: PROMPT, fixed: RIGHT }), MAX_ITERS: '5', ML_COACH_RACES: String(RACES),
  },
}, async ({ server, openPage }) => {
  const remote = (file) => `vscode-remote://127.0.0.1:${server.port}${file}`;
  const lines = [];
  let ended;
  const code = new Promise((resolve) => { ended = resolve; });
  await openPage({
    // The installed vsix is under test; a development path is demanded all the same.
    payload: [
      ['extensionDevelopmentPath', remote(path.join(ROOT, 'tests/e2e/vscode/inhost'))],
      ['extensionTestsPath', remote(path.join(ROOT, 'tests/e2e/vscode/inhost/index.cjs'))],
      ['skipWelcome', 'true'],
    ],
    before: async (page) => {
      await page.exposeFunction('codeAutomationLog', (_, args) => { lines.push(args.join(' ')); });
      await page.exposeFunction('codeAutomationExit', ended);
    },
  });
  const timeout = new Promise((resolve) => { setTimeout(resolve, LIMIT_MS, 'timeout').unref(); });
  const result = await Promise.race([code, timeout]);
  for (const line of lines) if (/^(ok|not ok|VS Code|Error|\s+at )/.test(line)) console.log(line);
  assert.equal(result, 0, lines.filter((line) => /not ok|rror/.test(line)).join('\n'));
});
