/** What runs, stages and outcomes are called on the screen. */
import type { Outcome, Task } from './protocol';

const TASKS: Record<Task, string> = {
  generate: 'Generate',
  implement: 'Implement',
  debug: 'Debug',
  write_tests: 'Write tests for',
};

const STAGES: Record<string, string> = {
  research: 'Research',
  code: 'Code',
  tests: 'Test writing',
  filter: 'Test review',
  pytest: 'Test run',
  debug: 'Debugging',
  patch: 'Patch',
};

const OUTCOMES: Record<Outcome, string> = {
  passed: 'passed',
  unsure: 'unsure',
  gave_up: 'gave up',
  stopped: 'stopped',
  failed: 'failed',
};

/** What a run was asked for; a run that debugs a file has no prompt. */
export function runTitle({ prompt, task, programFile }: { prompt: string; task: Task; programFile: string }): string {
  return prompt.trim() || `${TASKS[task]} ${programFile}`;
}

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
