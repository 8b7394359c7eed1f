import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentWriting } from '../src/protocol';
import { LiveTexts } from '../src/runs/liveTexts';

function agent(text: string, more: Partial<AgentWriting> = {}): AgentWriting {
  return { agent: 'coder', stage: 'code', doing: 'writing the program', file: 'src/p.py', replies: 1, callId: 1, text, lines: 1, line: text, tokensPerSecond: 5, ...more };
}

test('what an agent writes grows, each agent by itself', () => {
  const texts = new LiveTexts();
  const tester = { agent: 'test_writer', file: 'test_p.py', callId: 2 };
  texts.take({ runId: 'r', agents: [agent('def f('), agent('import', tester)] });
  const changed = texts.take({ runId: 'r', agents: [agent('x):'), agent('', tester)] });
  assert.equal(texts.get('r', 'coder')?.text, 'def f(x):');
  assert.equal(texts.get('r', 'test_writer')?.text, 'import');
  assert.deepEqual(changed.map((one) => one.agent), ['coder']);
  assert.equal(texts.get('r', 'coder')?.title, 'p.py (being written)');
});

test('the next reply takes the place of the one before, once it says something', () => {
  const texts = new LiveTexts();
  texts.take({ runId: 'r', agents: [agent('first')] });
  texts.take({ runId: 'r', agents: [agent('', { callId: 2 })] });
  assert.equal(texts.get('r', 'coder')?.text, 'first');
  texts.take({ runId: 'r', agents: [agent('second', { callId: 2 })] });
  assert.equal(texts.get('r', 'coder')?.text, 'second');
});

test('a text that has stopped growing stays until it is forgotten', () => {
  const texts = new LiveTexts();
  texts.take({ runId: 'r', agents: [agent('all of it')] });
  const [stopped] = texts.take({ runId: 'r', agents: [] });
  assert.ok(stopped);
  assert.deepEqual([stopped.text, stopped.isGrowing], ['all of it', false]);
  assert.deepEqual(texts.take({ runId: 'r', agents: [] }), []);
  texts.forget(stopped);
  assert.deepEqual(texts.of('r'), []);
});

test('two runs do not mix', () => {
  const texts = new LiveTexts();
  texts.take({ runId: 'r', agents: [agent('one')] });
  texts.take({ runId: 's', agents: [agent('two')] });
  assert.equal(texts.get('r', 'coder')?.isGrowing, true);
  assert.equal(texts.get('r', 'coder')?.text, 'one');
});

test('an agent that writes no file is called by what it does', () => {
  const texts = new LiveTexts();
  texts.take({ runId: 'r', agents: [agent('- f(x)', { agent: 'researcher', file: '', doing: 'reading the task' })] });
  assert.equal(texts.get('r', 'researcher')?.title, 'reading the task');
});
