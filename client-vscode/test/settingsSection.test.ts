import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settingsSection } from '../src/server/settingsSection';

const NAMES = ['model', 'maxIters', 'autoPatch', 'server.command', 'trace.server'];

test('only what the user set is sent, the nearest place first', () => {
  const values: Record<string, object> = {
    model: { defaultValue: '', globalValue: 'local:a', workspaceValue: 'local:b' },
    maxIters: { defaultValue: 3 },
    autoPatch: { defaultValue: false, globalValue: true, workspaceFolderValue: false },
  };
  const section = settingsSection(NAMES, (name) => values[name]);
  assert.deepEqual(section, { model: 'local:b', autoPatch: false });
});

test('settings of the extension itself are not the server’s', () => {
  assert.deepEqual(settingsSection(NAMES.slice(3), () => ({ globalValue: ['x'] })), {});
});
