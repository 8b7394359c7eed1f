/** A run as a page of text: what opens when the user clicks a stage or asks for the log. */
import { outcomeName, runTitle, stageName } from '../wording';
import type { Iteration, Run } from './runBook';

export function runText(run: Run): string {
  const outcome = outcomeName(run.outcome, run.active);
  const head = [`# ${runTitle(run)}`, '', `**${outcome}** ${run.reason}`.trim(), ''];
  const facts = [
    ['Run', run.runId],
    ['Model', run.model],
    ['Sandbox', run.sandbox],
    ['Python', run.iterations.flatMap((one) => one.report?.ran_on ?? []).at(-1) ?? ''],
    ['Files', [run.programFile, run.testsFile].filter((file) => file !== '').join(', ')],
  ].flatMap(([name, value]) => (value === '' ? [] : [`- ${name}: ${value}`]));
  const dropped = run.dropped.map(({ test, reason }) => `- dropped ${test}: ${reason}`);
  return [...head, ...facts, ...dropped, ...run.iterations.flatMap(iterationText), ''].join('\n');
}

function iterationText({ number, of, stages, patches, report }: Iteration): string[] {
  const tests = (report?.cases ?? []).map(
    ({ name, outcome, message }) => `- ${outcome}: ${name}${message === '' ? '' : `\n\n${indented(message)}\n`}`,
  );
  return [
    '', `## Iteration ${number} of ${of}`, '',
    ...stages.map((stage) => `1. ${stageName(stage)}`),
    ...(tests.length > 0 ? ['', '### Tests', '', ...tests] : []),
    ...patches.flatMap(({ summary, state, note, patch }) => [
      '', `### Patch: ${summary} (${state})`, '', note, '', '```diff', patch.text.trimEnd(), '```',
    ]),
  ];
}

function indented(text: string): string {
  return text.trim().replace(/^/gm, '      ');
}
