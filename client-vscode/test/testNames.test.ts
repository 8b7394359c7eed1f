import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Named, partsOf, testOf } from '../src/runs/testNames';

test('an id of pytest is taken apart where its parameters do not begin', () => {
  assert.deepEqual(partsOf('tests/test_a.py::TestB::test_c[x::y]'), { file: 'tests/test_a.py', names: ['TestB', 'test_c[x::y]'] });
  assert.deepEqual(partsOf('tests/test_a.py'), { file: 'tests/test_a.py', names: [] });
});

test('an item of any Test Explorer is a test, a file or a folder', () => {
  const folder: Named = { label: 'tests', path: '/p/tests', parent: undefined };
  const file: Named = { label: 'test_a.py', path: '/p/tests/test_a.py', parent: folder };
  const inFile = (label: string, parent: Named): Named => ({ label, path: file.path, parent });
  const method = inFile('test_c', inFile('TestB', file));
  assert.equal(testOf(folder), undefined);
  assert.equal(testOf(file), undefined);
  assert.equal(testOf(method), 'TestB::test_c');
  assert.equal(testOf(inFile('[x]', method)), 'TestB::test_c');
});
