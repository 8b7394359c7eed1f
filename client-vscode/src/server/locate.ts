import { serveWith } from './python';

/** Where a server may come from, best first; every part of it is replaceable in tests. */
export interface Sources {
  /** The setting `mlCoach.server.command`; empty where it is not set. */
  configured(): readonly string[];
  /** The interpreter selected in the Python extension. */
  selectedInterpreter(): Promise<string | undefined>;
  /** Whether an interpreter can import the server. */
  hasServer(python: string): Promise<boolean>;
  /** The private environment's interpreter; makes the environment where it is missing. */
  privateInterpreter(selected: string | undefined): Promise<string>;
}

/** The command that starts the server. Rejects with `NoPythonError` or `InstallError`. */
export async function locate(sources: Sources): Promise<readonly string[]> {
  const configured = sources.configured();
  if (configured.length > 0) return configured;
  const selected = await sources.selectedInterpreter();
  if (selected !== undefined && (await sources.hasServer(selected))) return serveWith(selected);
  return serveWith(await sources.privateInterpreter(selected));
}

export class NoPythonError extends Error {
  constructor() {
    super('ML Coach needs Python 3.11 or newer on this machine, and found none. uv, a small installer, brings one.');
  }
}
