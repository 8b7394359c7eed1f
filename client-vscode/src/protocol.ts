/** What the server speaks beyond LSP: server/ml_coach/lsp/PROTOCOL.md, as types. */
import { NotificationType, ProgressType, RequestType } from 'vscode-languageclient';

// commands: python tests/protocol_text.py
export type Task = 'generate' | 'implement' | 'debug' | 'write_tests' | 'refine' | 'test' | 'fix';

export type Outcome = 'passed' | 'unsure' | 'gave_up' | 'stopped' | 'failed';

export type RunAction = 'stop' | 'undo' | 'redo' | 'resume';

/** Settings that a command may name for one run; the others are those of the folder. With `quiet` the client shows the run by itself: no progress is sent, and no message at its end. */
export interface RunSettings {
  readonly maxIters?: number;
  readonly runTimeout?: number;
  readonly autoPatch?: boolean;
  readonly model?: string;
  readonly quiet?: boolean;
}

/** The text of a file that need not be on disk; `path` is relative. */
export interface FileText {
  readonly path: string;
  readonly text: string;
}

/** A test of a file and the line of its `def`, from 0. `name` is as in CaseDetails, without parameters. */
export interface TestPlace {
  readonly name: string;
  readonly line: number;
}

/** One run. `outcome` is empty for a run that has not finished, or never did; `rootUri` where it worked in no folder of an editor. `folder` is its log folder on disk. `elsewhere`: it is active in another window or a terminal. `startedAt` is the local time, as in 2026-01-02T10:15:00, empty where it is unknown. `can` lists what can be done with the run in the folders that are open here. */
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
  readonly startedAt: string;
  readonly can: RunAction[];
}

/** A step of an iteration. Two may be `running` at once. `stopped`: it ended with the run. */
export interface StageDetails {
  readonly stage: string;
  readonly title: string;
  readonly state: 'running' | 'done' | 'stopped';
}

/** A patch; `text` is its diff. `note`: what it would bring, or why it was not taken. */
export interface PatchDetails {
  readonly patchId: string;
  readonly text: string;
  readonly summary: string;
  readonly state: 'waiting' | 'applied' | 'discarded';
  readonly note: string;
}

/** One test's outcome. `provenance` says where the test comes from. `line` is where it failed, 0 where that is unknown. */
export interface CaseDetails {
  readonly name: string;
  readonly provenance: 'own' | 'confirmed' | 'given' | 'stated' | 'property' | 'guessed';
  readonly outcome: 'passed' | 'failed' | 'error' | 'skipped' | 'not_run';
  readonly message: string;
  readonly line: number;
  readonly seconds: number;
}

/** What the tests said of a program. `ranOn` names the Python; `why` what kept them from it. */
export interface ReportDetails {
  readonly verdict: 'passed' | 'failed' | 'error' | 'tampered';
  readonly why: string;
  readonly ranOn: string;
  readonly tests: CaseDetails[];
}

/** One iteration; `report` is of its last test run. */
export interface IterationDetails {
  readonly number: number;
  readonly of: number;
  readonly stages: StageDetails[];
  readonly patches: PatchDetails[];
  readonly report: ReportDetails | null;
}

/** A test that may not judge, and why. */
export interface DroppedDetails {
  readonly test: string;
  readonly reason: string;
}

/** A question that a run left open, and the answers to choose from, in words. */
export interface QuestionDetails {
  readonly text: string;
  readonly choices: string[];
}

/** A file before and after a patch; null for one that does not exist. */
export interface FileDetails {
  readonly file: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** How one test came out; `message` says why it did not pass. */
export interface TestOutcome {
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'error' | 'skipped' | 'not_run';
  readonly message: string;
}

/** One thing that is wrong; `line` is 0 where it is not known. */
export interface Fault {
  readonly kind: string;
  readonly message: string;
  readonly file: string;
  readonly line: number;
}

/** A line of a test that cannot fail, whatever the program does. */
export interface DoubtfulPlace {
  readonly line: number;
  readonly what: string;
}

/** What a test is good for. `notices` counts the mistakes that make it fail, `reaches` those whose lines it runs; `why` says why one is `not_judging`. */
export interface FilteredTest {
  readonly test: string;
  readonly file: string;
  readonly line: number;
  readonly verdict: 'notices' | 'cannot_fail' | 'elsewhere' | 'not_judging';
  readonly why: string;
  readonly notices: number;
  readonly reaches: number;
  readonly doubts: DoubtfulPlace[];
}

/** A mistake in the program that no test notices, though those in `reachedBy` run its line. `newTest` is a test that does, seen in the sandbox; empty where none was found. */
export interface Survivor {
  readonly file: string;
  readonly line: number;
  readonly what: string;
  readonly diff: string;
  readonly reachedBy: string[];
  readonly newTest: string;
}

/** A model that the settings may name. `title` is for people; `description` says what is missing, if anything. */
export interface ListedModel {
  readonly title: string;
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

/** Everything that is shown of a run. `report` speaks of the program in the user's files, not of a patch on trial. Of a run on a project's tests, `programFile` says where those are (`.` for all), `testsFile` is empty, and tests are named by pytest's ids. `saved`: the files that the run has written so far. `autoPatch`: patches are applied unasked. `summary` says in sentences how the run ended and what helps, `question` what it left open. */
export interface RunDetails {
  readonly runId: string;
  readonly rootUri: string;
  readonly prompt: string;
  readonly task: Task;
  readonly programFile: string;
  readonly testsFile: string;
  readonly model: string;
  readonly sandbox: string;
  readonly autoPatch: boolean;
  readonly active: boolean;
  readonly outcome: Outcome | '';
  readonly reason: string;
  readonly iterations: IterationDetails[];
  readonly dropped: DroppedDetails[];
  readonly saved: string[];
  readonly report: ReportDetails | null;
  readonly summary: string;
  readonly question: QuestionDetails | null;
}

/** What an agent writes now: `text` is what came since the last message, or the whole text so far where `callId` is new. `lines` counts those of the text, `line` is the last one that is not empty. `replies`: how many the agent is writing at once; the text is of one of them. */
export interface AgentWriting {
  readonly agent: string;
  readonly stage: string;
  readonly doing: string;
  readonly file: string;
  readonly replies: number;
  readonly callId: number;
  readonly text: string;
  readonly lines: number;
  readonly line: string;
  readonly tokensPerSecond: number;
}

/** The agents of a run that are writing; none: they are done. */
export interface RunWriting {
  readonly runId: string;
  readonly agents: AgentWriting[];
}

/** A run, by its id. */
export interface RunRef {
  readonly runId: string;
}

/** An audit goes on. */
export interface AuditStarted {
  readonly started: boolean;
}

/** The tests in the order of the file. */
export interface TestList {
  readonly tests: TestPlace[];
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

/** Where the page is. */
export interface RunPage {
  readonly uri: string;
}

/** The whole texts that a patch is about. */
export interface PatchFiles {
  readonly changes: FileDetails[];
}

/** Everything in a run's log; files in the events are relative to `rootUri`. */
export interface EventList {
  readonly rootUri: string;
  readonly events: RunEvent[];
}

/** What a run did, one sentence for each step that has something to say. */
export interface Explanation {
  readonly steps: string[];
}

/** What a contained run of tests showed. `level` is the containment, `ranOn` the Python, `limit` what stopped it. `doubts`: what in the run could have changed its own outcome. `replaced`: the files on disk in whose place other texts stood. */
export interface Verified {
  readonly verdict: 'passed' | 'failed' | 'error' | 'tampered';
  readonly why: string;
  readonly level: string;
  readonly ranOn: string;
  readonly limit: string;
  readonly tests: TestOutcome[];
  readonly faults: Fault[];
  readonly doubts: string[];
  readonly replaced: string[];
}

/** What tests notice of mistakes in `modules`. `score` is the share that they notice, 0 to 1. `unreached` counts the mistakes whose line no test runs; `alike` are groups of tests that notice the same. */
export interface FilteredTests {
  readonly score: number | null;
  readonly level: string;
  readonly ranOn: string;
  readonly modules: string[];
  readonly tests: FilteredTest[];
  readonly survived: Survivor[];
  readonly unreached: number;
  readonly alike: string[][];
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
  'mlCoach.generate': [{prompt: string, targetUri?: string, testUri?: string, documentUri?: string, overwrite?: boolean} & RunSettings, RunRef];
  'mlCoach.implement': [{uri: string, function: string} & RunSettings, RunRef];
  'mlCoach.debug': [{uri: string, testUri?: string} & RunSettings, RunRef];
  'mlCoach.writeTests': [{uri: string} & RunSettings, RunRef];
  'mlCoach.refine': [{uri: string, prompt: string, testUri?: string} & RunSettings, RunRef];
  'mlCoach.fix': [{uri?: string, test?: string, keyword?: string} & RunSettings, RunRef];
  'mlCoach.runTests': [{uri: string}, RunRef];
  'mlCoach.auditTests': [{uri: string}, AuditStarted];
  'mlCoach.tests': [{uri: string}, TestList];
  'mlCoach.stop': [{runId?: string, reason?: string}, Stopped];
  'mlCoach.applyPatch': [{patchId: string, all?: boolean, edited?: boolean}, Applied];
  'mlCoach.discardPatch': [{patchId: string}, Discarded];
  'mlCoach.undoRun': [{runId: string}, Undone];
  'mlCoach.resume': [{runId: string}, RunRef];
  'mlCoach.answer': [{runId: string, choice?: number, text?: string, quiet?: boolean}, Answered];
  'mlCoach.runs': [{limit?: number}, RunList];
  'mlCoach.run': [{runId: string}, RunDetails];
  'mlCoach.runPage': [{runId: string}, RunPage];
  'mlCoach.patch': [{patchId: string}, PatchFiles];
  'mlCoach.events': [{runId: string}, EventList];
  'mlCoach.explain': [{runId: string}, Explanation];
  'mlCoach.verify': [{files?: FileText[], path?: string, callId?: string}, Verified];
  'mlCoach.filterTests': [{files?: FileText[], path?: string, callId?: string}, FilteredTests];
  'mlCoach.models': [object, ModelList];
  'mlCoach.doctor': [object, CheckList];
}
// /commands

/** One line of a run's log; this client draws what the server makes of them. */
export type RunEvent = object;

export const runChanged = new NotificationType<RunDetails>('mlCoach/run');
export const runWriting = new NotificationType<RunWriting>('mlCoach/writing');

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
