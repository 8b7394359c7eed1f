import assert from 'node:assert/strict';
import { test } from 'node:test';
import { locate, NoPythonError, type Sources } from '../src/server/locate';

const sources = (over: Partial<Sources>): Sources => ({
  configured: () => [],
  selectedInterpreter: () => Promise.resolve(undefined),
  hasServer: () => Promise.resolve(false),
  privateInterpreter: () => Promise.resolve('/private/python'),
  ...over,
});

test('the setting wins and nothing else is asked', async () => {
  const never = (): never => assert.fail('asked');
  const found = await locate(sources({ configured: () => ['coach', 'serve'], selectedInterpreter: never }));
  assert.deepEqual(found, ['coach', 'serve']);
});

test('the selected interpreter is used where it has the server', async () => {
  const found = await locate(
    sources({
      selectedInterpreter: () => Promise.resolve('/venv/python'),
      hasServer: (python) => Promise.resolve(python === '/venv/python'),
      privateInterpreter: () => assert.fail('made an environment'),
    }),
  );
  assert.deepEqual(found, ['/venv/python', '-P', '-m', 'ml_coach', 'serve']);
});

test('an interpreter without the server is the base of the private environment', async () => {
  const bases: (string | undefined)[] = [];
  const found = await locate(
    sources({
      selectedInterpreter: () => Promise.resolve('/venv/python'),
      privateInterpreter: (base) => {
        bases.push(base);
        return Promise.resolve('/private/python');
      },
    }),
  );
  assert.equal(found[0], '/private/python');
  assert.deepEqual(bases, ['/venv/python']);
});

test('no Python at all is an error of its own', async () => {
  const privateInterpreter = (): Promise<string> => Promise.reject(new NoPythonError());
  await assert.rejects(locate(sources({ privateInterpreter })), NoPythonError);
});
