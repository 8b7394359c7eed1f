/** What a chat says of a run, as Markdown. Nothing here knows VS Code. */
import { codeBlock, harmless, inlineCode, plainText } from '../foreignText';
import type { IterationDetails, PatchDetails, ReportDetails } from '../protocol';
import type { Run } from '../runs/runBook';
import { counted, firstLine, outcomeName, taskTitle } from '../wording';

export type Part =
  | { readonly kind: 'progress' | 'markdown'; readonly text: string }
  | { readonly kind: 'patch'; readonly patch: PatchDetails };

const MOST_FAILURES = 5;

/** Tells a run as it goes on, each thing once. */
export class Telling {
  private readonly told = new Set<string>();

  /** What is new in `run`, in the order of its iterations. */
  take(run: Run): Part[] {
    return run.iterations.flatMap((iteration) => this.iteration(iteration));
  }

  private iteration({ number, of, stages, patches, report }: IterationDetails): Part[] {
    const parts: Part[] = [];
    for (const [index, { title }] of stages.entries()) {
      if (this.isNew(`${number}/${index}`)) parts.push({ kind: 'progress', text: `Iteration ${number} of ${of}: ${title}` });
    }
    const text = report === null ? '' : failures(report);
    // The end of a run says by itself what passed.
    if (text !== '' && this.isNew(`${number}/${text}`)) parts.push({ kind: 'markdown', text });
    for (const patch of patches) {
      if (patch.state === 'waiting' && this.isNew(patch.patchId)) parts.push({ kind: 'patch', patch });
    }
    return parts;
  }

  private isNew(key: string): boolean {
    return this.told.size < this.told.add(key).size;
  }
}

function failures({ verdict, why, tests }: ReportDetails): string {
  if (verdict === 'passed') return '';
  const failing = tests.filter(({ outcome }) => outcome === 'failed' || outcome === 'error');
  const passed = tests.filter(({ outcome }) => outcome === 'passed').length;
  const lines = failing.slice(0, MOST_FAILURES).map(({ name, message }) => {
    const said = firstLine(message, 120);
    return `- ${inlineCode(name)}${said === '' ? '' : `: ${inlineCode(said)}`}`;
  });
  const more = failing.length - lines.length;
  if (more > 0) lines.push(`- and ${more} more`);
  const reason = failing.length > 0 || why === '' ? '' : ` ${plainText(why)}`;
  return [`\n\n${passed} of ${counted(tests.length, 'test')} passed.${reason}`, ...lines, ''].join('\n');
}

export function patchText({ summary, note, text }: PatchDetails): string {
  return `\n\n${plainText(summary)}\n\n${codeBlock(text, 'diff')}\n\n${plainText(note)}\n\n`;
}

export function questionText(question: string): string {
  return `\n\n${inlineCode(question)}\n\nYour answer becomes a test, and the run goes on with it.\n\n`;
}

/** How a run ended, in the server's words. */
export function endText(run: Run): string {
  const question = run.question === null ? '' : `\n\nThis is left open: ${inlineCode(run.question.text)}\n\n`;
  return `\n\n**${outcomeName(run.outcome, run.active)}**: ${plainText(run.summary || run.reason)}${question}\n\n`;
}

/** What a run did and why: the steps of its log, the tests that may not judge, and what it ran on. */
export function explanation(run: Run, steps: readonly string[]): string {
  const ranOn = run.report?.ranOn ?? '';
  const facts = [['Model', run.model], ['Sandbox', run.sandbox], ['Python', ranOn], ['Run', run.runId]].flatMap(
    ([name, value = '']) => (value === '' ? [] : [`${name}: ${inlineCode(value)}`]),
  );
  return [
    `### ${taskTitle(run.task)} ${inlineCode(run.programFile)}`,
    ...(run.prompt.trim() === '' ? [] : ['', codeBlock(run.prompt.trim())]),
    endText(run),
    ...steps.map((step) => `1. ${plainText(step)}`),
    ...section('Tests that judge', (run.report?.tests ?? []).map(({ name, provenance, outcome }) => `${inlineCode(name)}: ${provenance}, ${outcome.replace('_', ' ')}`)),
    ...section('Tests that were dropped', run.dropped.map(({ test, reason }) => `${inlineCode(test)}: ${plainText(reason)}`)),
    ...section('What it ran on', facts), '\n',
  ].join('\n');
}

function section(title: string, rows: readonly string[]): string[] {
  return rows.length === 0 ? [] : ['', `**${title}**`, '', ...rows.map((row) => `- ${row}`)];
}

/** For a button: VS Code draws an icon where a title has `$(name)`. */
export function buttonTitle(text: string): string {
  return firstLine(harmless(text), 60).replaceAll('$(', '$ (');
}
