import assert from 'node:assert/strict';
import { test } from 'node:test';
import { functionOf, lineOfTest } from '../src/runs/pythonTests';

test('a test’s function is found behind its class and its parameters', () => {
  assert.deepEqual(['test_a', 'TestA::test_b[1::2-x]'].map(functionOf), ['test_a', 'test_b']);
});

test('a test’s line is where its function is defined', () => {
  const suite = 'import p\n\n\ndef test_ab():\n    pass\n\n\nclass TestA:\n    async def test_a(self):\n        pass\n';
  assert.equal(lineOfTest(suite, 'test_a'), 8);
  assert.equal(lineOfTest(suite, 'test_gone'), 0);
});
