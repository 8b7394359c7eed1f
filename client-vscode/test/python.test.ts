import assert from 'node:assert/strict';
import { test } from 'node:test';
import { usualUvs, uvInstaller } from '../src/server/python';

test('uv is also looked for where its installer puts it', () => {
  assert.deepEqual(usualUvs('linux', '/home/a'), ['uv', '/home/a/.local/bin/uv']);
  assert.deepEqual(usualUvs('win32', 'C:\\Users\\a'), ['uv', 'C:\\Users\\a\\.local\\bin\\uv.exe']);
});

test('each system gets the line for its own shell', () => {
  assert.match(uvInstaller('win32'), /^powershell /);
  assert.match(uvInstaller('darwin'), /^curl /);
});
