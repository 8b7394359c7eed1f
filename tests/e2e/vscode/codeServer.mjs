// A throwaway code-server: its own home, settings, extensions and log; gone with stop().
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';

const USER_SETTINGS = {
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
  'workbench.welcomePage.walkthroughs.openOnInstall': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.reduceMotion': 'on',
  'workbench.editor.enablePreview': false,
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'extensions.autoUpdate': false,
  'extensions.autoCheckUpdates': false,
  'extensions.ignoreRecommendations': true,
  'chat.disableAIFeatures': true,
  'chat.commandCenter.enabled': false,
  'git.enabled': false,
  'npm.autoDetect': 'off',
  'files.simpleDialog.enable': true,
  'editor.minimap.enabled': false,
  'editor.cursorBlinking': 'solid',
  'editor.accessibilitySupport': 'off',
  'testing.automaticallyOpenTestResults': 'neverOpen',
  'window.confirmBeforeClose': 'never',
};

/**
 * stack: the folder that stack.sh made. run: an empty folder with a short path (sockets live in it).
 * extensions: vsix files.
 * machine: settings of the machine's scope; from the user's file they count only sometimes, because
 * the window is a remote one. smoke: allows tests inside the extension host, and hides all toasts.
 */
export async function startCodeServer({
  stack, run, extensions, machine = {}, user = {}, env = {}, path: searchPath, smoke = false, trust = true,
}) {
  const node = path.join(stack, 'node24/bin/node');
  const entry = path.join(stack, 'cs/node_modules/code-server/out/node/entry.js');
  const isOld = /^4\.9\d\./.test(versionOf(stack));
  fs.rmSync(run, { recursive: true, force: true });
  for (const folder of ['home', 'tmp', 'ext', 'user-data/User', 'user-data/Machine']) {
    fs.mkdirSync(path.join(run, folder), { recursive: true });
  }
  const settings = { ...USER_SETTINGS, 'security.workspace.trust.enabled': !trust, ...user };
  fs.writeFileSync(path.join(run, 'user-data/User/settings.json'), JSON.stringify(settings));
  fs.writeFileSync(path.join(run, 'user-data/Machine/settings.json'), JSON.stringify(machine));
  // Without a file it would write one with a password into the real home.
  fs.writeFileSync(path.join(run, 'config.yaml'), 'auth: none\n');

  if (searchPath !== undefined) {
    // VS Code asks a login shell for its environment, which would bring the usual PATH back.
    fs.writeFileSync(path.join(run, 'home/.profile'), `PATH=${searchPath}\n`);
  }
  const environment = {
    PATH: searchPath ?? '/usr/local/bin:/usr/bin:/bin',
    HOME: path.join(run, 'home'),
    TMPDIR: path.join(run, 'tmp'),
    XDG_RUNTIME_DIR: path.join(run, 'tmp'),
    LANG: 'C.UTF-8',
    SHELL: '/bin/sh',
    EXTENSIONS_GALLERY: '{"serviceUrl":"","itemUrl":"","controlUrl":"","recommendationsUrl":""}',
    ...env,
  };
  const common = [
    '--config', path.join(run, 'config.yaml'),
    '--user-data-dir', path.join(run, 'user-data'),
    '--extensions-dir', path.join(run, 'ext'),
  ];
  for (const vsix of extensions) {
    const done = spawnSync(node, [entry, ...common, '--install-extension', vsix, '--force'], { env: environment });
    if (done.status !== 0) throw new Error(`the vsix was not installed:\n${done.stdout}${done.stderr}`);
  }
  const port = await freePort();
  const log = fs.openSync(path.join(run, 'server.log'), 'w');
  const child = spawn(
    node,
    [
      entry, ...common, '--auth', 'none', '--bind-addr', `127.0.0.1:${port}`, '--disable-telemetry',
      '--disable-update-check', '--disable-getting-started-override', '--ignore-last-opened',
      ...(trust ? ['--disable-workspace-trust'] : []),
      // Else extension hosts and Python servers outlive the page that they served.
      ...(isOld ? [] : ['--reconnection-grace-time', '1']),
      ...(smoke ? ['--vscode-option', 'enable-smoke-test-driver'] : []),
    ],
    { env: environment, detached: true, stdio: ['ignore', log, log] },
  );
  fs.closeSync(log);
  await answers(`http://127.0.0.1:${port}/healthz`, child, path.join(run, 'server.log'));
  return {
    port,
    run,
    async stop() {
      try { process.kill(-child.pid, 'SIGKILL'); } catch { /* It ended by itself. */ }
      if (child.exitCode === null && child.signalCode === null) await new Promise((r) => child.once('exit', r));
    },
  };
}

function versionOf(stack) {
  const manifest = path.join(stack, 'cs/node_modules/code-server/package.json');
  return JSON.parse(fs.readFileSync(manifest, 'utf8')).version;
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function answers(url, child, log) {
  for (let tries = 0; tries < 1200; tries++) {
    if (child.exitCode !== null) break;
    try {
      if ((await fetch(url)).ok) return;
    } catch { /* Not up yet. */ }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`code-server did not come up:\n${fs.readFileSync(log, 'utf8').slice(-2000)}`);
}
