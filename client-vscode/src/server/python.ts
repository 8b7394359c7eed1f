import * as path from 'node:path';
import { run } from './processes';

/** The oldest Python that the server runs on, as in pyproject.toml. */
export const OLDEST_PYTHON = [3, 11] as const;

// -P keeps the working folder off the module path: a user's own ml_coach.py must not pose as ours.
const ISOLATED = '-P';
const PROBE_MS = 10_000;

/** How to start the server under `python`. */
export function serveWith(python: string): string[] {
  return [python, ISOLATED, '-m', 'ml_coach', 'serve'];
}

/** Whether `python` can import the server. */
export async function hasServer(python: string): Promise<boolean> {
  const look = 'import importlib.util as u, sys; sys.exit(u.find_spec("ml_coach") is None)';
  const { code } = await run([python, ISOLATED, '-c', look], { timeoutMs: PROBE_MS });
  return code === 0;
}

/** The first of `commands` that is a Python new enough, else undefined. */
export async function firstPython(
  commands: readonly string[][],
): Promise<string[] | undefined> {
  const look = 'import sys, venv, ensurepip; print(*sys.version_info[:2])';
  for (const command of commands) {
    const { code, stdout } = await run([...command, '-c', look], { timeoutMs: PROBE_MS });
    if (code === 0 && isNewEnough(stdout)) return command;
  }
  return undefined;
}

/** `version` as "3 11". */
export function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.trim().split(' ').map(Number);
  return major > OLDEST_PYTHON[0] || (major === OLDEST_PYTHON[0] && minor >= OLDEST_PYTHON[1]);
}

/** Where a Python usually is; `selected` is the user's own choice, tried first. */
export function usualPythons(platform: NodeJS.Platform, selected?: string): string[][] {
  const chosen = selected === undefined ? [] : [[selected]];
  if (platform === 'win32') return [...chosen, ['py', '-3'], ['python']];
  return [...chosen, ['python3'], ['python3.13'], ['python3.12'], ['python3.11'], ['python']];
}

/** The line by which uv's makers have it installed; https://docs.astral.sh/uv/getting-started/installation/. */
export function uvInstaller(platform: NodeJS.Platform): string {
  return platform === 'win32'
    ? 'powershell -ExecutionPolicy ByPass -c "irm https://astral.sh/uv/install.ps1 | iex"'
    : 'curl -LsSf https://astral.sh/uv/install.sh | sh';
}

/** Where uv is: on the path, or where its installer puts it, which an editor that runs already does not see. */
export function usualUvs(platform: NodeJS.Platform, home: string): string[] {
  const installed = platform === 'win32' ? path.win32.join(home, '.local', 'bin', 'uv.exe') : path.posix.join(home, '.local', 'bin', 'uv');
  return ['uv', installed];
}
