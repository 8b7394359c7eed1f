import assert from 'node:assert/strict';
import { test } from 'node:test';
import MarkdownIt from 'markdown-it';
import { codeBlock, harmless, inlineCode, unlinked } from '../src/foreignText';
import type { Run } from '../src/runs/runBook';
import { runText } from '../src/runs/runText';

// What makes a page ask another machine for something, or run something, when it is shown or clicked.
const HOSTILE = [
  '![x](http://evil.test/a.png)', '[x](http://evil.test)', '[x](command:workbench.action.quit)',
  '<img src=http://evil.test/b>', '<script>fetch("http://evil.test")</script>', 'http://evil.test/bare',
  '<http://evil.test>', '[x][y]\n\n[y]: http://evil.test', '`` ![x](http://evil.test) ``', '```\n![x](http://evil.test)\n```',
  '\r![x](http://evil.test)', '\u2028![x](http://evil.test)', '~~~\n</code>![x](http://evil.test)', '\u202e![x](http://evil.test)\x1b[2J',
  '&lt;img src=x&gt; \\![x](http://evil.test)', '`', '``` ', '  \n\n- ![x](http://evil.test)', '| a |\n|---|\n| ![x](http://evil.test) |',
];

// As the preview of VS Code renders: links in plain text, too, and HTML.
const page = new MarkdownIt({ html: true, linkify: true });

function requestsOf(markdown: string): string[] {
  return page.render(markdown).match(/<(?!\/?(?:h[1-6]|p|ul|ol|li|strong|em|code|pre|br)\b)[^>]*>/g)
    ?.filter((found) => !/^<code class="language-\w+">$/.test(found)) ?? [];
}

function runOf(text: string): Run {
  const test = { name: `test_a[${text}]`, provenance: 'guessed' as const, outcome: 'failed' as const, message: text, line: 1, seconds: 0 };
  const report = { verdict: 'failed' as const, why: text, ranOn: text, tests: [test, test] };
  return {
    runId: text, rootUri: '', prompt: text, model: text, sandbox: text, task: 'generate', programFile: text, testsFile: text,
    autoPatch: false, dropped: [{ test: text, reason: text }], outcome: 'failed', reason: text, active: false, complete: true,
    saved: [text], report, summary: text, question: { text, choices: [text] }, startedAt: '', can: [], elsewhere: false, writing: [],
    iterations: [{
      number: 1, of: 1, stages: [{ stage: 'pytest', title: 'Test run', state: 'done' }],
      patches: [{ patchId: 'p', text, summary: text, state: 'waiting', note: text }],
      report,
    }],
  };
}

test('the page of a run asks nobody for anything, whatever a program or a model wrote', () => {
  for (const text of [...HOSTILE, HOSTILE.join('\n'), HOSTILE.join(' ')]) {
    assert.deepEqual(requestsOf(runText(runOf(text))), [], text);
  }
});

test('a line and a block of code hold any text', () => {
  for (const text of HOSTILE) {
    assert.deepEqual(requestsOf(inlineCode(text)), [], text);
    assert.deepEqual(requestsOf(`- item\n\n${codeBlock(text, 'text', '  ')}`), [], text);
  }
  assert.equal(page.render(inlineCode('a`b')), '<p><code>a`b</code></p>\n');
});

test('a message has no link, and no mark that turns text', () => {
  assert.equal(unlinked('[x](command:quit)'), '[x] (command:quit)');
  assert.equal(harmless('a\u202eb\x1b[2J\r\nc\ud800'), 'a\\x202eb\\x1b[2J\nc\\xd800');
});
