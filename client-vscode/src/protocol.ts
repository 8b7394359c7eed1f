/** What the server speaks beyond LSP: server/ml_coach/lsp/PROTOCOL.md, as types. */
import { NotificationType, ProgressType, RequestType } from 'vscode-languageclient';

// commands: python tests/protocol_text.py
export type Task = 'generate' | 'implement' | 'debug' | 'write_tests';

export type Outcome = 'passed' | 'unsure' | 'gave_up' | 'stopped' | 'failed';

/** Settings that a command may name for one run; the others are those of the folder. */
export interface Limits {
  readonly maxIters?: number;
  readonly runTimeout?: number;
  readonly autoPatch?: boolean;
  readonly model?: string;
}

/** One run. `outcome` is empty for a run that has not finished, or never did; `rootUri` where it worked in no folder of an editor. `folder` is its log folder on disk. `elsewhere`: it is active in another window or a terminal. */
export interface RunSummary {
  readonly runId: string;
  readonly prompt: string;
  readonly task: Task;
  readonly programFile: string;
  readonly outcome: Outcome | '';
  readonly reason: string;
  readonly active: boolean;
  readonly elsewhere: boolean;
  readonly waitingPatchId: string;
  readonly folder: string;
  readonly rootUri: string;
}

/** A model that the settings may name. `description` says what is missing, if anything. */
export interface ListedModel {
  readonly name: string;
  readonly description: string;
  readonly available: boolean;
}

/** One check of the machine. `mend` says how to repair what was found. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly found: string;
  readonly mend: string;
}

/** A run, by its id. */
export interface RunRef {
  readonly runId: string;
}

/** The ids of the runs that were stopped. */
export interface Stopped {
  readonly stopped: string[];
}

/** `reason` is empty where the patch was applied. */
export interface Applied {
  readonly applied: boolean;
  readonly reason: string;
}

/** `reason` is empty where the patch was discarded. */
export interface Discarded {
  readonly discarded: boolean;
  readonly reason: string;
}

/** `files` are URIs; `reason` says why an undo was refused, else it is empty. */
export interface Undone {
  readonly action: 'undone' | 'redone' | 'refused';
  readonly files: string[];
  readonly reason: string;
}

/** `runId` is the run that goes on with the answer; it is empty while the user is asked, and where `reason` says why the answer cannot be read. */
export interface Answered {
  readonly runId: string;
  readonly reason: string;
}

/** Runs, newest first. */
export interface RunList {
  readonly runs: RunSummary[];
}

/** Everything in a run's log; files in the events are relative to `rootUri`. */
export interface EventList {
  readonly rootUri: string;
  readonly events: RunEvent[];
}

/** `default` is the model of a run that names none. */
export interface ModelList {
  readonly default: string;
  readonly models: ListedModel[];
}

/** All checks. */
export interface CheckList {
  readonly checks: Check[];
}

/** Each command's argument and result. */
export interface Commands {
  'mlCoach.generate': [{prompt: string, targetUri?: string, testUri?: string, documentUri?: string, overwrite?: boolean} & Limits, RunRef];
  'mlCoach.implement': [{uri: string, function: string} & Limits, RunRef];
  'mlCoach.debug': [{uri: string, testUri?: string} & Limits, RunRef];
  'mlCoach.writeTests': [{uri: string} & Limits, RunRef];
  'mlCoach.runTests': [{uri: string}, RunRef];
  'mlCoach.stop': [{runId?: string}, Stopped];
  'mlCoach.applyPatch': [{patchId: string, all?: boolean, edited?: boolean}, Applied];
  'mlCoach.discardPatch': [{patchId: string}, Discarded];
  'mlCoach.undoRun': [{runId: string}, Undone];
  'mlCoach.resume': [{runId: string}, RunRef];
  'mlCoach.answer': [{runId: string, choice?: number, text?: string}, Answered];
  'mlCoach.runs': [{limit?: number}, RunList];
  'mlCoach.events': [{runId: string}, EventList];
  'mlCoach.models': [object, ModelList];
  'mlCoach.doctor': [object, CheckList];
}
// /commands

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

/** A run's question to the user. With `complaint`, which says why `typed` could not be read, it is asked again. */
export interface QuestionParams extends RunRef {
  readonly question: string;
  readonly choices: readonly { readonly title: string; readonly programs: number }[];
  readonly typed: string;
  readonly complaint: string;
}

/** The number of one of the choices, from 0, or what the user typed. */
export type QuestionReply = { readonly choice: number } | { readonly text: string };

export const question = new RequestType<QuestionParams, QuestionReply | null, void>('mlCoach/question');

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
