import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run } from '../src/server/processes';
import { firstPython, hasServer, isNewEnough } from '../src/server/python';

test('a missing program is a value', async () => {
  assert.deepEqual(await run(['/no/such/program']), { code: null, stdout: '' });
});

test('lines of both streams are told, standard output is kept', async () => {
  const said: string[] = [];
  const script = 'console.log("one"); console.error("two")';
  const { code, stdout } = await run([process.execPath, '-e', script], { say: (line) => said.push(line) });
  assert.equal(code, 0);
  assert.equal(stdout, 'one');
  assert.deepEqual(said.sort(), ['one', 'two']);
});

test('cancelling ends the process and what it started', async () => {
  const abort = new AbortController();
  // The grandchild holds the pipe open: without it ending too, run would wait a minute.
  const script = 'require("child_process").spawn("sleep", ["60"], { stdio: "inherit" }); console.log("up")';
  const running = run(['node', '-e', `${script}; setInterval(() => {}, 1000)`], {
    signal: abort.signal,
    say: () => { abort.abort(new Error('enough')); },
  });
  await assert.rejects(running, /enough/);
});

test('a program that takes too long is ended', async () => {
  assert.equal((await run(['sleep', '60'], { timeoutMs: 50 })).code, null);
});

test('versions of Python are compared as numbers', () => {
  assert.deepEqual(['3 11', '3 9', '3 14', '4 0', 'nonsense'].map(isNewEnough), [true, false, true, true, false]);
});

test('the first Python that is there and new enough is taken', async () => {
  assert.deepEqual(await firstPython([['/no/python'], ['python3']]), ['python3']);
  assert.equal(await firstPython([['/no/python'], ['false']]), undefined);
});

test('an interpreter without ml_coach has no server', async () => {
  assert.equal(await hasServer('/no/python'), false);
});
