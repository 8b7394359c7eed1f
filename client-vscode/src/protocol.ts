/** What the server speaks beyond LSP: server/ml_coach/lsp/PROTOCOL.md, as types. */
import { NotificationType, ProgressType, RequestType } from 'vscode-languageclient';

export interface Limits {
  readonly maxIters?: number;
  readonly runTimeout?: number;
  readonly autoPatch?: boolean;
  readonly model?: string;
}

export interface RunRef {
  readonly runId: string;
}

export type Task = 'generate' | 'implement' | 'debug' | 'write_tests';
export type Outcome = 'passed' | 'gave_up' | 'stopped' | 'failed';

/** `outcome` is empty for a run that has not finished, or never did. */
export interface RunSummary extends RunRef {
  readonly prompt: string;
  readonly task: Task;
  readonly programFile: string;
  readonly outcome: Outcome | '';
  readonly reason: string;
  readonly active: boolean;
  /** Empty where the run worked in no folder of an editor. */
  readonly rootUri: string;
}

/** Each command's argument and result. */
export interface Commands {
  'mlCoach.generate': [Limits & { prompt: string; targetUri?: string; documentUri?: string }, RunRef];
  'mlCoach.debug': [Limits & { uri: string }, RunRef];
  'mlCoach.writeTests': [Limits & { uri: string }, RunRef];
  'mlCoach.runTests': [{ uri: string }, RunRef];
  'mlCoach.stop': [{ runId?: string }, { stopped: string[] }];
  'mlCoach.applyPatch': [{ patchId: string; all?: boolean }, { applied: boolean; reason: string }];
  'mlCoach.discardPatch': [{ patchId: string }, { discarded: boolean; reason: string }];
  'mlCoach.undoRun': [RunRef, { action: 'undone' | 'redone' | 'refused'; files: string[]; reason: string }];
  'mlCoach.resume': [RunRef, RunRef];
  'mlCoach.runs': [{ limit?: number }, { runs: RunSummary[] }];
  'mlCoach.events': [RunRef, { rootUri: string; events: RunEvent[] }];
  'mlCoach.models': [object, { default: string; models: { name: string; description: string }[] }];
  'mlCoach.doctor': [object, { checks: { name: string; ok: boolean; found: string; mend: string }[] }];
}

export interface FileChange {
  readonly file: string;
  readonly before: string | null;
  readonly after: string | null;
}

export interface Patch {
  readonly changes: readonly FileChange[];
  readonly text: string;
}

export interface Case {
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'error' | 'skipped' | 'not_run';
  readonly message: string;
  readonly line: number;
  readonly seconds: number;
}

export interface TestReport {
  readonly verdict: 'passed' | 'failed' | 'error' | 'tampered';
  readonly cases: readonly Case[];
  readonly why: string;
  /** Which Python ran them, and why not the project's own where it did not; '' where none did. */
  readonly ran_on: string;
}

export interface RunReport {
  readonly outcome: Outcome;
  readonly reason: string;
  readonly sandbox: string;
}

/** One line of a run's log. Kinds that are not named here are ignored by this client. */
export type RunEvent =
  | { readonly event: 'RunStarted'; readonly request: { prompt: string; task: Task; program_file: string; tests_file: string; auto_patch: boolean }; readonly model: string }
  | { readonly event: 'StageStarted'; readonly stage: string; readonly iteration: number; readonly of: number }
  | { readonly event: 'SuiteWritten'; readonly suite: { file: string } }
  | { readonly event: 'FilesSaved' }
  | { readonly event: 'SuiteFiltered'; readonly kept: readonly string[]; readonly dropped: readonly { test: string; reason: string }[] }
  | { readonly event: 'TestsFinished'; readonly report: TestReport }
  | { readonly event: 'PatchOffered'; readonly patch_id: string; readonly patch: Patch; readonly summary: string; readonly passed: number; readonly total: number }
  | { readonly event: 'PatchApplied'; readonly patch_id: string; readonly patch: Patch; readonly summary: string }
  | { readonly event: 'PatchDiscarded'; readonly patch_id?: string; readonly patch: Patch | null; readonly reason: string }
  | { readonly event: 'RunFinished'; readonly report: RunReport };

export interface RunEventParams extends RunRef {
  readonly rootUri: string;
  readonly event: RunEvent;
}

export const runEvent = new NotificationType<RunEventParams>('mlCoach/event');

/** A question to one of the editor's own models. */
export interface CompleteParams {
  readonly model: string;
  readonly purpose: string;
  readonly messages: readonly { readonly role: 'system' | 'user' | 'assistant'; readonly text: string }[];
  readonly maxTokens: number;
  readonly temperature: number;
  readonly partialResultToken?: string | number;
}

export interface CompleteResult {
  readonly finish: 'stop' | 'length';
  readonly text: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly fault: '' | 'not_allowed' | 'not_found' | 'blocked' | 'quota' | 'unavailable';
  readonly message: string;
}

export const complete = new RequestType<CompleteParams, CompleteResult, void>('mlCoach/complete');
export const completePiece = new ProgressType<{ text: string }>();
