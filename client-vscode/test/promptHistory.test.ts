import assert from 'node:assert/strict';
import { test } from 'node:test';
import { remember } from '../src/commands/promptHistory';

test('the newest prompt comes first and each is kept once', () => {
  assert.deepEqual(remember(['a', 'b'], 'b'), ['b', 'a']);
});

test('the oldest is forgotten', () => {
  const full = Array.from({ length: 30 }, (_, n) => String(n));
  const history = remember(full, 'new');
  assert.equal(history.length, 30);
  assert.equal(history.at(-1), '28');
});
