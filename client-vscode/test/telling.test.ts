import assert from 'node:assert/strict';
import { test } from 'node:test';
import MarkdownIt from 'markdown-it';
import { mcpCommand } from '../src/chat/mcpCommand';
import { buttonTitle, endText, explanation, patchText, Telling } from '../src/chat/telling';
import { plainText } from '../src/foreignText';
import type { PatchDetails, ReportDetails } from '../src/protocol';
import { ChatRuns, type Picked } from '../src/runs/chatRuns';
import { type Run, RunBook } from '../src/runs/runBook';

const patch: PatchDetails = { patchId: 'run-1/p1', text: '-a = 1\n+a = 2\n', summary: 'Count from one', state: 'waiting', note: '1 of 1 tests pass with it' };
const failed: ReportDetails = {
  verdict: 'failed', why: '', ranOn: '',
  tests: [
    { name: 'test_a', provenance: 'given', outcome: 'failed', message: 'assert 1 == 2\nand more', line: 4, seconds: 0.01 },
    { name: 'test_b', provenance: 'guessed', outcome: 'passed', message: '', line: 0, seconds: 0.01 },
  ],
};

function run(changes: Partial<Run>): Run {
  const details = {
    runId: 'run-1', rootUri: 'file:///home/me', prompt: 'Add one', task: 'generate' as const, programFile: 'p.py', testsFile: 'test_p.py',
    model: 'local:m', sandbox: 'namespaces', autoPatch: false, active: true, outcome: '' as const, reason: '', dropped: [], saved: [],
    report: null, summary: '', question: null, iterations: [],
  };
  return { ...new RunBook().take(details), ...changes };
}

const stage = (title: string, state: 'running' | 'done') => ({ stage: title.toLowerCase(), title, state });

test('a chat tells each stage, each failure and each patch once', () => {
  const telling = new Telling();
  const first = { number: 1, of: 3, stages: [stage('Code', 'running')], patches: [], report: null };
  assert.deepEqual(telling.take(run({ iterations: [first] })), [{ kind: 'progress', text: 'Iteration 1 of 3: Code' }]);
  const tested = { ...first, stages: [stage('Code', 'done'), stage('Test run', 'done')], report: failed, patches: [patch] };
  const [progress, text, offered, ...more] = telling.take(run({ iterations: [tested] }));
  assert.deepEqual(progress, { kind: 'progress', text: 'Iteration 1 of 3: Test run' });
  assert.equal(text?.kind === 'markdown' && text.text.trim(), '1 of 2 tests passed.\n- `test_a`: `assert 1 == 2`');
  assert.deepEqual([offered, ...more], [{ kind: 'patch', patch }]);
  const settled = { ...tested, patches: [{ ...patch, state: 'applied' as const }] };
  assert.deepEqual(telling.take(run({ iterations: [settled] })), []);
});

test('tests that pass are told at the end of the run only', () => {
  const passed = { ...failed, verdict: 'passed' as const, tests: failed.tests.slice(1) };
  const iteration = { number: 1, of: 3, stages: [], patches: [], report: passed };
  assert.deepEqual(new Telling().take(run({ iterations: [iteration] })), []);
  assert.match(endText(run({ active: false, outcome: 'passed', summary: '1 of 1 test passes.' })), /\*\*passed\*\*: 1 of 1 test passes\\\./);
});

// What would run a command, load something or look like a button when a chat shows it.
const HOSTILE = [
  '[Apply](command:workbench.action.quit)', '![x](http://evil.test/a.png)', '<img src=http://evil.test/b>', '[x][y]\n\n[y]: command:quit',
  '```\n[Apply](command:quit)\n```', '`[x](command:quit)`', '$(check) [x](command:quit)', '\r\n\n# [x](command:quit)', '<command:quit>', 'http://evil.test',
];

test('no text of a model becomes a link, an image or a tag in a chat', () => {
  const page = new MarkdownIt({ html: true, linkify: false });
  for (const text of HOSTILE) {
    const tests = [{ name: text, provenance: 'guessed' as const, outcome: 'failed' as const, message: text, line: 1, seconds: 0 }];
    const report = { verdict: 'failed' as const, why: text, ranOn: text, tests };
    const shown = run({
      prompt: text, programFile: text, reason: text, summary: text, dropped: [{ test: text, reason: text }], report, model: text,
      question: { text, choices: [text] }, active: false, outcome: 'unsure',
    });
    const told = new Telling().take({ ...shown, iterations: [{ number: 1, of: 1, stages: [], patches: [], report }] });
    const parts = [explanation(shown, [text]), endText(shown), patchText({ ...patch, text, summary: text, note: text }), ...told.map((part) => (part.kind === 'patch' ? '' : part.text))];
    for (const part of parts) assert.doesNotMatch(page.render(part), /<(a|img|script)\b/i, part);
  }
  assert.equal(page.render(plainText('f(1) gives *2*, 1. not [3]')), '<p>f(1) gives *2*, 1. not [3]</p>\n');
  assert.equal(buttonTitle('$(trash) a\u202eb\nc'), '$ (trash) a\\x202eb');
});

test('an explanation has the steps, the tests and those that were dropped', () => {
  const text = explanation(run({ active: false, outcome: 'passed', summary: 'All hold.', report: failed, dropped: [{ test: 'test_c', reason: 'no program passes it' }] }), ['3 of 4 candidates agree']);
  for (const part of ['1. 3 of 4 candidates agree', '- `test_a`: given, failed', '- `test_c`: no program passes it', '- Sandbox: `namespaces`']) assert.ok(text.includes(part), part);
});

class Token {
  cancel = (): void => undefined;
  onCancellationRequested(listener: () => void): void { this.cancel = listener; }
}
const asked = { runId: 'run-1', question: 'f(1)?', choices: [], typed: '', complaint: '' };

test('a question is answered in the chat that shows its run, once', async () => {
  const chats = new ChatRuns();
  assert.equal(chats.has('run-1'), false);
  const shown: string[] = [];
  chats.begin('run-1', ({ question }) => { shown.push(question); });
  const answer: Promise<Picked | null> = chats.ask(asked, new Token());
  assert.deepEqual(shown, ['f(1)?']);
  assert.equal(chats.answer('run-2', { choice: 0 }), false);
  assert.equal(chats.answer('run-1', { choice: 0 }), true);
  assert.deepEqual(await answer, { choice: 0 });
  assert.equal(chats.answer('run-1', { choice: 0 }), false);
});

test('a question is left open where its run or its chat ends', async () => {
  const chats = new ChatRuns();
  chats.begin('run-1', () => undefined);
  const token = new Token();
  const first = chats.ask(asked, token);
  token.cancel();
  assert.equal(await first, null);
  const second = chats.ask(asked, new Token());
  chats.end('run-1');
  assert.equal(await second, null);
  assert.equal(chats.has('run-1'), false);
});

test('the MCP server is started as the language server is', () => {
  assert.deepEqual(mcpCommand(['/usr/bin/python', '-P', '-m', 'ml_coach', 'serve']), ['/usr/bin/python', '-P', '-m', 'ml_coach', 'mcp']);
  assert.throws(() => mcpCommand(['/opt/own-script']), /own-script/);
});
