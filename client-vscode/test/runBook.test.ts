import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PatchDetails, ReportDetails, RunDetails, RunSummary } from '../src/protocol';
import { grouped, RunBook, waitingPatch } from '../src/runs/runBook';
import { runText } from '../src/runs/runText';
import { runTitle, stateAndTime, timeOf } from '../src/wording';

const ROOT = 'file:///home/me/project';
const patch: PatchDetails = { patchId: 'run-1/p1', text: '--- p.py\n+++ p.py\n@@ -1 +1 @@\n-a = 1\n+a = 2\n', summary: 'Count from one', state: 'waiting', note: '1 of 1 tests pass with it' };
const failed: ReportDetails = {
  verdict: 'failed', why: '', ranOn: 'Python 3.12.1 of this project',
  tests: [{ name: 'test_a', provenance: 'given', outcome: 'failed', message: 'assert 1 == 2', line: 4, seconds: 0.01 }],
};
const details: RunDetails = {
  runId: 'run-1', rootUri: ROOT, prompt: 'Add one', task: 'generate', programFile: 'p.py', testsFile: 'test_p.py', model: 'local:m',
  sandbox: 'namespaces', autoPatch: false, active: true, outcome: '', reason: '', dropped: [], saved: [], report: failed, summary: '', question: null,
  iterations: [{ number: 1, of: 3, stages: [{ stage: 'pytest', title: 'Test run', state: 'done' }], patches: [patch], report: failed }],
};
const summary: RunSummary = {
  runId: 'run-1', prompt: 'Add one', task: 'generate', programFile: 'p.py', waitingPatchId: '', folder: '/runs/run-1', outcome: '',
  reason: '', active: false, elsewhere: false, rootUri: ROOT, startedAt: '2026-01-02T10:15:00', can: ['undo', 'resume'],
};

function book(...all: RunDetails[]): RunBook {
  const made = new RunBook();
  for (const one of all) made.take(one);
  return made;
}

test('a run is what the server says last', () => {
  const made = book(details, { ...details, active: false, outcome: 'passed', reason: 'All tests pass.' });
  const run = made.get('run-1');
  assert.equal(run?.outcome, 'passed');
  assert.ok(run.complete);
  assert.deepEqual(made.active(), []);
  assert.equal(made.patch('run-1/p1')?.run, run);
});

test('the list tells what can be done with a run, and keeps what is known of it', () => {
  const made = book(details);
  made.list([{ ...summary, rootUri: '' }]);
  const run = made.get('run-1');
  assert.deepEqual(run?.can, ['undo', 'resume']);
  assert.equal(run.rootUri, ROOT);
  assert.equal(run.iterations.length, 1);
});

test('a run that has ended stays so, whatever a list says that was made before', () => {
  const made = book({ ...details, active: false, outcome: 'passed', reason: 'All tests pass.' });
  made.list([{ ...summary, active: true, can: ['stop'] }]);
  const run = made.get('run-1');
  assert.deepEqual([run?.active, run?.outcome, run?.reason], [false, 'passed', 'All tests pass.']);
});

test('of a run that was only listed the rest is not known', () => {
  const made = new RunBook();
  made.list([summary]);
  assert.equal(made.get('run-1')?.complete, false);
});

test('without its server no run is active and nobody writes', () => {
  const made = book(details);
  const agent = { agent: 'coder', stage: 'code', doing: 'writing the program', file: 'p.py', replies: 1, callId: 2, text: 'a', lines: 1, line: 'a', tokensPerSecond: 3 };
  made.write({ runId: 'run-1', agents: [agent] });
  assert.equal(made.get('run-1')?.writing.length, 1);
  made.abandon();
  assert.deepEqual(made.active(), []);
  assert.deepEqual(made.get('run-1')?.writing, []);
});

test('reruns of tests and runs of other folders stand apart, unless they are active', () => {
  const made = book(
    details,
    { ...details, runId: 'run-2', task: 'test', active: false },
    { ...details, runId: 'run-3', rootUri: 'file:///elsewhere', active: false },
    { ...details, runId: 'run-4', rootUri: '', active: true },
  );
  const ids = (runs: readonly { runId: string }[]): string[] => runs.map(({ runId }) => runId);
  const { own, tests, others } = grouped(made.all(), (rootUri) => rootUri === ROOT);
  assert.deepEqual([ids(own), ids(tests), ids(others)], [['run-4', 'run-1'], ['run-2'], ['run-3']]);
});

test('a patch waits until it is settled or its run ends', () => {
  assert.equal(waitingPatch(book(details).all())?.patchId, 'run-1/p1');
  assert.equal(waitingPatch(book({ ...details, active: false }).all()), undefined);
  const settled = { ...details, iterations: details.iterations.map((one) => ({ ...one, patches: [{ ...patch, state: 'applied' as const }] })) };
  assert.equal(waitingPatch(book(settled).all()), undefined);
});

test('a run reads as a page', () => {
  const run = book({ ...details, active: false, outcome: 'passed', reason: 'All tests pass.' }).get('run-1');
  assert.ok(run);
  const text = runText(run);
  for (const part of ['# Generate `p.py`: passed\n\n`Add one`\n\n`All tests pass.`\n', '## Iteration 1 of 3', '- failed: `test_a`', '- Sandbox: `namespaces`', '- Python: `Python 3.12.1 of this project`', 'assert 1 == 2', '```diff']) {
    assert.ok(text.includes(part), part);
  }
  assert.ok(runText({ ...run, prompt: 'Add one.\n# No `heading`' }).includes('```text\nAdd one.\n# No `heading`\n```'));
});

test('a run without a prompt is called by what it did', () => {
  assert.equal(runTitle({ ...details, prompt: '', task: 'debug' }), 'Debug p.py');
  assert.equal(runTitle({ ...details, prompt: '', task: 'test' }), 'Test p.py');
});

test('runs of one title are told apart by state and time', () => {
  const now = new Date('2026-01-02T18:00:00');
  assert.equal(timeOf('2026-01-02T10:15:00', now), '10:15');
  assert.equal(timeOf('2025-12-31T10:15:00', now), '31 Dec, 10:15');
  assert.equal(timeOf('', now), '');
  assert.equal(stateAndTime({ outcome: 'gave_up', active: false, startedAt: '2026-01-02T10:15:00' }, now), 'gave up, 10:15');
});
