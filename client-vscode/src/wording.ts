/** What stages and outcomes are called on the screen. */
import type { Outcome } from './protocol';

const STAGES: Record<string, string> = {
  research: 'Research',
  code: 'Code',
  inspect: 'Inspection',
  tests: 'Test writing',
  court: 'Test review',
  pytest: 'Test run',
  debug: 'Debugging',
  patch: 'Patch',
};

const OUTCOMES: Record<Outcome, string> = {
  passed: 'passed',
  gave_up: 'gave up',
  stopped: 'stopped',
  failed: 'failed',
};

export function stageName(stage: string): string {
  return STAGES[stage] ?? stage;
}

export function outcomeName(outcome: Outcome | '', active: boolean): string {
  if (outcome !== '') return OUTCOMES[outcome];
  return active ? 'running' : 'unfinished';
}

export function firstLine(text: string, longest = 70): string {
  const line = text.trim().split('\n', 1)[0] ?? '';
  return line.length > longest ? `${line.slice(0, longest - 1)}…` : line;
}

export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
