import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CrashHistory } from '../src/server/crashHistory';

test('the fifth crash within three minutes stops the restarts', () => {
  const crashes = new CrashHistory();
  const verdicts = [0, 10, 20, 30, 40].map((seconds) => crashes.mayRestart(seconds * 1000));
  assert.deepEqual(verdicts, [true, true, true, true, false]);
});

test('crashes that lie further apart never add up', () => {
  const crashes = new CrashHistory();
  for (let minute = 0; minute < 20; minute++) assert.ok(crashes.mayRestart(minute * 60_000));
});

test('a start by hand forgets earlier crashes', () => {
  const crashes = new CrashHistory();
  for (let n = 0; n < 4; n++) crashes.mayRestart(n);
  crashes.forget();
  assert.ok(crashes.mayRestart(5));
});
