/** A run as a page of text: what opens when the user clicks a stage or asks for the log. */
import { codeBlock, inlineCode } from '../foreignText';
import type { IterationDetails } from '../protocol';
import { outcomeName, taskTitle } from '../wording';
import type { Run } from './runBook';

/** Markdown. All that a program, a model or a server wrote is in it as code only. */
export function runText(run: Run): string {
  const outcome = outcomeName(run.outcome, run.active);
  const prompt = run.prompt.trim();
  const head = [
    `# ${taskTitle(run.task)} ${inlineCode(run.programFile)}: ${outcome}`, '',
    // A paragraph is wrapped and a block is not, so a prompt of one line is no block.
    ...(prompt === '' ? [] : [prompt.includes('\n') ? codeBlock(prompt) : inlineCode(prompt), '']),
    ...(run.reason === '' ? [] : [inlineCode(run.reason), '']),
  ];
  const facts = [
    ['Run', run.runId],
    ['Begun', run.startedAt.replace('T', ' ')],
    ['Model', run.model],
    ['Sandbox', run.sandbox],
    ['Python', run.iterations.flatMap((one) => one.report?.ranOn ?? []).at(-1) ?? ''],
    ['Files', [run.programFile, run.testsFile].filter((file) => file !== '').join(', ')],
  ].flatMap(([name, value = '']) => (value === '' ? [] : [`- ${name}: ${inlineCode(value)}`]));
  const dropped = run.dropped.map(({ test, reason }) => `- dropped ${inlineCode(test)}: ${inlineCode(reason)}`);
  return [...head, ...facts, ...dropped, ...run.iterations.flatMap(iterationText), ''].join('\n');
}

function iterationText({ number, of, stages, patches, report }: IterationDetails): string[] {
  const tests = (report?.tests ?? []).map(
    ({ name, outcome, message }) =>
      `- ${outcome}: ${inlineCode(name)}${message === '' ? '' : `\n\n${codeBlock(message.trim(), 'text', '  ')}\n`}`,
  );
  return [
    '', `## Iteration ${number} of ${of}`, '',
    ...stages.map(({ title, state }) => `1. ${title}${state === 'done' ? '' : ` (${state})`}`),
    ...(tests.length > 0 ? ['', '### Tests', '', ...tests] : []),
    ...patches.flatMap(({ summary, state, note, text }) => [
      '', `### Patch: ${inlineCode(summary)} (${state})`, '', inlineCode(note), '', codeBlock(text, 'diff'),
    ]),
  ];
}
