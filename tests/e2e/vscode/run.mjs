// usage: run.mjs [core|all|floor|real|figures] [-- node test options]
//   core     most scenes on the newest VS Code (what CI runs)
//   floor    the main ones on VS Code 1.93     all   every scene, the private environment included
//   real     once with the real local model of 0.5 B      figures  how long starting takes
// Set-ups are kept under ~/.cache; pictures go to client-vscode/out/shots (ML_COACH_E2E_SHOTS).
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { ROOT, STACKS, VSIX } from './stage.mjs';

const MAIN = ['generate', 'review', 'stop', 'menus', 'project'];
const CORE = [...MAIN, 'prompt', 'question', 'server', 'models', 'page', 'chat', 'inhost'];
const SUITES = {
  core: CORE,
  // That code-server cannot be told to run tests inside its extension host, and knows no models.
  floor: MAIN,
  all: [...CORE, 'install', 'walkthrough'],
  real: ['real'],
  figures: ['figures'],
};

const [suite = 'core', ...options] = process.argv.slice(2).filter((argument) => argument !== '--');
const names = SUITES[suite] ?? [suite];
const kind = suite === 'floor' ? 'floor' : (process.env.ML_COACH_E2E_STACK ?? 'current');
const here = import.meta.dirname;
execFileSync(path.join(here, 'stack.sh'), [kind, STACKS[kind]], { stdio: 'inherit' });
if (!fs.existsSync(VSIX)) execFileSync('npm', ['run', '-s', 'package'], { cwd: ROOT, stdio: 'inherit' });
const files = names.map((name) => path.join(here, `${name}.test.mjs`));
const { status } = spawnSync(
  process.execPath,
  // One after the other: two browsers and two code-servers at once only get in each other's way.
  ['--test', '--test-concurrency=1', '--test-reporter=spec', ...options, ...files],
  { stdio: 'inherit', env: { ...process.env, ML_COACH_E2E_STACK: kind } },
);
process.exit(status ?? 1);
