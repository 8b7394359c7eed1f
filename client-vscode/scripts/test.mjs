// Bundles the unit tests (this Node cannot run TypeScript by itself) and runs them.
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

const folder = 'client-vscode/test';
const out = 'client-vscode/out/test';
const tests = fs.readdirSync(folder).filter((name) => name.endsWith('.test.ts'));
fs.rmSync(out, { recursive: true, force: true });
await build({
  entryPoints: tests.map((name) => path.join(folder, name)),
  outdir: out,
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  sourcemap: 'inline',
  logLevel: 'warning',
});
const files = tests.map((name) => path.join(out, name.replace(/\.ts$/, '.js')));
const { status } = spawnSync(process.execPath, ['--enable-source-maps', '--test', ...files], {
  stdio: 'inherit',
});
process.exit(status ?? 1);
