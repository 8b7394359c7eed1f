// Makes ml-coach-<version>.vsix: the bundled extension, its pictures and the server's wheel.
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';

const dist = 'client-vscode/dist';
const server = `${dist}/server`;
const { version } = JSON.parse(fs.readFileSync('package.json', 'utf8'));

fs.rmSync(dist, { recursive: true, force: true });
fs.mkdirSync(server, { recursive: true });
run('node', 'client-vscode/scripts/build.mjs');
if (spawnSync('uv', ['--version']).status === 0) {
  run('uv', 'build', '--quiet', '--wheel', '--out-dir', server);
} else {
  run('python3', '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--wheel-dir', server, '.');
}
fs.rmSync(`${server}/.gitignore`, { force: true });
run(
  'node', 'node_modules/@vscode/vsce/vsce', 'package', '--no-dependencies',
  '--allow-missing-repository', '--readme-path', 'client-vscode/README.md', '--out', `ml-coach-${version}.vsix`,
);

function run(command, ...args) {
  execFileSync(command, args, { stdio: 'inherit' });
}
