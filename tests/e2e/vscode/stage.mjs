// What every test stands on: a workspace, a model, a code-server with the vsix, and a page.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { startCodeServer } from './codeServer.mjs';
import { startModel } from './model.mjs';
import { openWorkbench } from './workbench.mjs';

export const ROOT = path.resolve(import.meta.dirname, '../../..');
const CACHE = process.env.ML_COACH_E2E_CACHE ?? path.join(os.homedir(), '.cache');
export const STACKS = { current: path.join(CACHE, 'vscode-e2e'), floor: path.join(CACHE, 'vscode-floor') };
export const SHOTS = process.env.ML_COACH_E2E_SHOTS ?? path.join(ROOT, 'client-vscode/out/shots');
const { version } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
export const VSIX = path.join(ROOT, `ml-coach-${version}.vsix`);
export const KIND = process.env.ML_COACH_E2E_STACK ?? 'current';

/** The server of this checkout, or of another interpreter, so that most tests need no installation. */
export const PYTHON = process.env.ML_COACH_E2E_PYTHON ?? path.join(ROOT, '.venv/bin/python');
export const OWN_SERVER = [PYTHON, '-P', '-m', 'ml_coach', 'serve'];

/**
 * A test with a stage of its own: `body(stage)` gets the workspace's `folder`, `read(file)`, the page
 * `wb`, and `set(settings)`, which changes settings of the machine. `files` are the workspace's; with a Python file among them the extension starts by
 * itself. `command` is how the language server starts; null leaves that to the extension, as it does for
 * `model`, where `small` is the scripted model under the name of a small one: four programs are asked of it.
 * `extensions` are further vsix files. `tree` is a packed folder to put there besides, `projectPatch` what the model says to a project's failing test. With `open: false` the body calls `openPage` itself.
 */
export function scene(title, {
  name, files = { 'main.py': '"""A program of the user."""\n' }, machine = {}, command = OWN_SERVER, env = {}, model: modelName, open = true, page = {}, extensions = [], tree, projectPatch, ...more
}, body) {
  test(title, async () => {
    const work = fs.mkdtempSync(path.join(os.tmpdir(), 'coach-e2e-'));
    const folder = path.join(work, 'project');
    fs.mkdirSync(folder);
    for (const [file, text] of Object.entries(files)) {
      fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
      fs.writeFileSync(path.join(folder, file), text);
    }
    if (tree) execFileSync(PYTHON, ['-m', 'tarfile', '-e', tree, folder]);
    const model = await startModel(projectPatch);
    const server = await startCodeServer({
      stack: STACKS[KIND],
      run: path.join(work, 'run'),
      extensions: [VSIX, ...extensions],
      machine: {
        ...(command === null ? {} : { 'mlCoach.server.command': command }),
        ...(modelName === null ? {} : { 'mlCoach.model': modelName === 'small' ? model.small : (modelName ?? model.name) }),
        ...machine,
      },
      env: { ...passedOn(), ML_COACH_E2E_MODEL: model.url, ...env },
      ...more,
    });
    const stage = {
      folder, work, server,
      set: (settings) => {
        const file = path.join(server.run, 'user-data/Machine/settings.json');
        fs.writeFileSync(file, JSON.stringify({ ...JSON.parse(fs.readFileSync(file, 'utf8')), ...settings }));
      },
      read: (file) => fs.readFileSync(path.join(folder, file), 'utf8'),
      async openPage(options = {}) {
        const shots = path.join(SHOTS, KIND, name);
        stage.wb = await openWorkbench({ port: server.port, folder, shots, ...page, ...options });
        return stage.wb;
      },
    };
    try {
      if (open) await stage.openPage();
      await body(stage);
      assert.deepEqual(stage.wb?.errors ?? [], []);
    } catch (error) {
      await stage.wb?.shot('FAILED').catch(() => undefined);
      throw error;
    } finally {
      await stage.wb?.close();
      await server.stop();
      await model.stop();
      if (process.env.ML_COACH_E2E_KEEP === undefined) {
        fs.rmSync(work, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
      }
    }
  });
}

/** What pip, uv and downloads need to reach this machine's package index. */
function passedOn() {
  const names = /^(PIP_|UV_|SSL_CERT|REQUESTS_CA|ML_COACH_WEIGHTS|XDG_CACHE_HOME$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => names.test(name)));
}

/** Waits until `check` gives something true, and gives it back. */
export async function until(check, what, seconds = 120) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The ids of the language servers that serve this stage. */
export function languageServers({ work }) {
  return processes().filter(({ environ, cmdline }) => environ.includes(work) && /ml_coach\0serve/.test(cmdline)).map(({ pid }) => pid);
}

/** Every process that this stage started, by its environment or its command line. */
export function processesOf({ work }) {
  return processes().filter(({ environ, cmdline }) => environ.includes(work) || cmdline.includes(work));
}

function processes() {
  return fs.readdirSync('/proc').filter((pid) => /^\d+$/.test(pid)).flatMap((pid) => {
    try {
      const [environ, cmdline] = ['environ', 'cmdline'].map((file) => fs.readFileSync(`/proc/${pid}/${file}`, 'utf8'));
      return [{ pid: Number(pid), environ, cmdline }];
    } catch {
      return []; // It ended while we looked, or is not ours to look into.
    }
  });
}

/** Packs an extension that only a test needs. */
export function packed(folder) {
  const vsix = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'coach-vsix-')), 'extension.vsix');
  const vsce = path.join(ROOT, 'node_modules/@vscode/vsce/vsce');
  execFileSync(process.execPath, [vsce, 'package', '--skip-license', '--allow-missing-repository', '--out', vsix], {
    cwd: folder, stdio: 'pipe',
  });
  return vsix;
}
