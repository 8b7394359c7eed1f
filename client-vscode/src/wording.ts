/** What runs, outcomes and times are called on the screen. */
import type { Outcome, Task } from './protocol';

const TASKS: Record<Task, string> = {
  generate: 'Generate',
  implement: 'Implement',
  debug: 'Debug',
  write_tests: 'Write tests for',
  refine: 'Refine',
  fix: 'Fix the tests of',
  test: 'Test',
};

const OUTCOMES: Record<Outcome, string> = {
  passed: 'passed',
  unsure: 'unsure',
  gave_up: 'gave up',
  stopped: 'stopped',
  failed: 'failed',
};

export function taskTitle(task: Task): string {
  return TASKS[task];
}

/** What a run was asked for; a run that debugs a file has no prompt. */
export function runTitle({ prompt, task, programFile }: { prompt: string; task: Task; programFile: string }): string {
  return prompt.trim() || `${TASKS[task]} ${programFile === '.' ? 'this project' : programFile}`;
}

export function outcomeName(outcome: Outcome | '', active: boolean): string {
  if (outcome !== '') return OUTCOMES[outcome];
  return active ? 'running' : 'unfinished';
}

/** When a run began, as briefly as it is clear: `10:15`, and on other days `2 Jan, 10:15`. */
export function timeOf(startedAt: string, now: Date): string {
  if (startedAt === '') return '';
  const then = new Date(startedAt);
  const time = startedAt.slice(11, 16);
  if (then.toDateString() === now.toDateString()) return time;
  return `${then.getDate()} ${then.toLocaleString('en', { month: 'short' })}, ${time}`;
}

/** The state of a run and when it began: what tells runs of one title apart. */
export function stateAndTime(run: { outcome: Outcome | ''; active: boolean; startedAt: string }, now: Date): string {
  return [outcomeName(run.outcome, run.active), timeOf(run.startedAt, now)].filter((part) => part !== '').join(', ');
}

export function firstLine(text: string, longest = 70): string {
  const line = text.trim().split('\n', 1)[0] ?? '';
  return line.length > longest ? `${line.slice(0, longest - 1)}…` : line;
}

export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
