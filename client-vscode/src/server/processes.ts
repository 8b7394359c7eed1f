import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface Finished {
  /** Null when a signal ended it or it could not be started at all. */
  readonly code: number | null;
  readonly stdout: string;
}

export interface RunOptions {
  /** Aborting it ends the process; `run` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called with each line of standard output and standard error. */
  readonly say?: (line: string) => void;
  readonly timeoutMs?: number;
}

/** Runs a program to its end. A program that is missing or fails is a value, not an exception. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { signal, say } = options;
  signal?.throwIfAborted();
  const [command = '', ...args] = argv;
  // Its own process group, so that what an installer starts ends with it.
  const detached = process.platform !== 'win32';
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached });
  const stop = (): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(detached ? -child.pid : child.pid, 'SIGKILL');
    } catch {
      // It ended by itself a moment ago.
    }
  };
  const timer = options.timeoutMs === undefined ? undefined : setTimeout(stop, options.timeoutMs);
  signal?.addEventListener('abort', stop);
  const lines: string[] = [];
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line);
    say?.(line);
  });
  createInterface(child.stderr).on('line', (line) => say?.(line));
  try {
    const code = await new Promise<number | null>((resolve) => {
      child.once('close', resolve);
      child.once('error', (error) => {
        say?.(error.message);
        resolve(null);
      });
    });
    signal?.throwIfAborted();
    return { code, stdout: lines.join('\n') };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}
