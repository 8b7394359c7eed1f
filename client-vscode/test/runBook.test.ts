import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunEvent } from '../src/protocol';
import { patchesOf, RunBook, waitingPatch } from '../src/runs/runBook';
import { runText } from '../src/runs/runText';
import { runTitle } from '../src/wording';

const ROOT = 'file:///home/me/project';
const patch = { changes: [{ file: 'p.py', before: 'a = 1\n', after: 'a = 2\n' }], text: '--- p.py\n+++ p.py\n@@ -1 +1 @@\n-a = 1\n+a = 2\n' };
const started: RunEvent = {
  event: 'RunStarted', model: 'local:m',
  request: { prompt: 'Add one', task: 'generate', program_file: 'p.py', tests_file: 'test_p.py', auto_patch: false },
};
const stage = (name: string, iteration: number): RunEvent => ({ event: 'StageStarted', stage: name, iteration, of: 3 });
const tested = (outcome: 'passed' | 'failed'): RunEvent => ({
  event: 'TestsFinished',
  report: { verdict: outcome, why: '', ran_on: 'Python 3.12.1 of this project', cases: [{ name: 'test_a', outcome, message: outcome === 'failed' ? 'assert 1 == 2' : '', line: 4, seconds: 0.01 }] },
});
const offered: RunEvent = { event: 'PatchOffered', patch_id: 'p1', patch, summary: 'Count from one', passed: 1, total: 1 };
const asked = { runId: 'run-1', prompt: 'Add one', task: 'generate', programFile: 'p.py', waitingPatchId: '', folder: '/runs/run-1' } as const;
const finished: RunEvent = { event: 'RunFinished', report: { outcome: 'passed', reason: 'All tests pass.', sandbox: 'namespaces' } };

function play(...events: RunEvent[]): RunBook {
  const book = new RunBook();
  for (const event of events) book.add('run-1', ROOT, event);
  return book;
}

test('a run grows from its events', () => {
  const book = play(started, stage('code', 1), stage('pytest', 1), tested('failed'), stage('debug', 2), offered);
  const [run] = book.active();
  assert.ok(run);
  assert.equal(run.rootUri, ROOT);
  assert.deepEqual(run.iterations.map((one) => one.stages), [['code', 'pytest'], ['debug']]);
  assert.equal(run.iterations[0]?.report?.cases[0]?.outcome, 'failed');
  assert.equal(book.patch('p1')?.offered.state, 'waiting');
});

test('an applied patch settles its offer, by its text', () => {
  const applied: RunEvent = { event: 'PatchApplied', patch, summary: 'Count from one', patch_id: 'p1' };
  const book = play(started, stage('patch', 2), offered, applied, finished);
  assert.equal(book.patch('p1')?.offered.state, 'applied');
  assert.deepEqual(book.active(), []);
  assert.equal(book.get('run-1')?.outcome, 'passed');
});

test('a patch on trial does not speak for the files until it is applied', () => {
  const trial = [started, stage('pytest', 1), tested('failed'), stage('debug', 2), stage('pytest', 2), tested('passed'), stage('patch', 2), offered];
  const book = play(...trial);
  assert.equal(book.get('run-1')?.judged?.verdict, 'failed');
  book.add('run-1', ROOT, { event: 'PatchApplied', patch, summary: 'Count from one', patch_id: 'p1' });
  assert.equal(book.get('run-1')?.judged?.verdict, 'passed');
  const other = play(...trial, { event: 'PatchDiscarded', patch, reason: 'Not wanted.', patch_id: 'p1' });
  assert.equal(other.get('run-1')?.judged?.verdict, 'failed');
});

test('a patch that was tried without an offer is shown all the same', () => {
  const book = play(started, { event: 'PatchDiscarded', patch, reason: 'It loses a test.', patch_id: 'p2' });
  const run = book.get('run-1');
  assert.ok(run);
  assert.deepEqual(patchesOf(run).map(({ state, note }) => [state, note]), [['discarded', 'It loses a test.']]);
});

test('kinds that are not known change nothing', () => {
  const book = play(started);
  assert.equal(book.add('run-1', ROOT, { event: 'TextArrived', text: 'x' } as unknown as RunEvent), undefined);
});

test('a run that died with its server is no longer active once the list says so', () => {
  const book = play(started, stage('code', 1));
  book.list([{ ...asked, outcome: '', reason: '', active: false, rootUri: ROOT, elsewhere: false }]);
  assert.deepEqual(book.active(), []);
  assert.equal(book.get('run-1')?.iterations.length, 1);
});

test('a run that has ended stays so, also while the server still clears up', () => {
  const book = play(started, finished);
  book.list([{ ...asked, outcome: '', reason: '', active: true, rootUri: ROOT, elsewhere: false }]);
  assert.equal(book.get('run-1')?.outcome, 'passed');
  assert.deepEqual(book.active(), []);
});

test('a listed run is completed from its log', () => {
  const book = new RunBook();
  book.list([{ ...asked, outcome: 'passed', reason: '', active: false, rootUri: ROOT, elsewhere: false }]);
  assert.equal(book.get('run-1')?.complete, false);
  const run = book.replay('run-1', ROOT, [started, stage('pytest', 1), tested('passed'), finished]);
  assert.ok(run.complete);
  assert.equal(run.active, false);
  assert.equal(run.outcome, 'passed');
});

test('a run reads as a page', () => {
  const book = play(started, stage('pytest', 1), tested('failed'), stage('patch', 2), offered, finished);
  const run = book.get('run-1');
  assert.ok(run);
  const text = runText(run);
  for (const part of ['# `Add one`', '**passed** `All tests pass.`', '## Iteration 1 of 3', '- failed: `test_a`', '- Sandbox: `namespaces`', '- Python: `Python 3.12.1 of this project`', 'assert 1 == 2', '```diff']) {
    assert.ok(text.includes(part), part);
  }
});

test('a run without a prompt is called by what it did', () => {
  const book = new RunBook();
  book.list([{ ...asked, prompt: '', task: 'debug', outcome: 'passed', reason: '', active: false, rootUri: ROOT, elsewhere: false }]);
  const run = book.get('run-1');
  assert.ok(run);
  assert.equal(runTitle(run), 'Debug p.py');
});

test('a patch waits until it is settled or its run ends', () => {
  assert.equal(waitingPatch(play(started, offered).active())?.id, 'p1');
  assert.equal(waitingPatch(play(started, offered, finished).active()), undefined);
  const applied: RunEvent = { event: 'PatchApplied', patch_id: 'p1', patch, summary: 'Count from one' };
  assert.equal(waitingPatch(play(started, offered, applied).active()), undefined);
});
