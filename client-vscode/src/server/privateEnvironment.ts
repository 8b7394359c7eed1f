/**
 * An environment of our own for the server, made from the wheel that ships inside the extension:
 *
 *     <global storage>/environments/<wheel's digest>-<random>/    one finished or half-made environment
 *     <global storage>/environments/current.json                  which one is whole, and for which wheel
 *
 * The pointer is written last and in one step, so two windows may both build and none ever starts
 * the server from half an environment.
 */
import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { run, type RunOptions } from './processes';

export type Installer =
  | { readonly kind: 'uv'; readonly uv: string }
  | { readonly kind: 'venv'; readonly python: readonly string[] };

interface Pointer {
  readonly digest: string;
  readonly folder: string;
}

export class InstallError extends Error {}

export class PrivateEnvironment {
  constructor(
    private readonly home: string,
    private readonly wheel: string,
  ) {}

  /** The environment's interpreter, or undefined where it is missing or of another version. */
  async find(): Promise<string | undefined> {
    const pointer = await this.pointer();
    if (pointer?.digest !== (await this.digest())) return undefined;
    const python = interpreterIn(pointer.folder);
    return (await exists(python)) ? python : undefined;
  }

  /** Makes the environment. Rejects with `InstallError` for a step that failed. */
  async make(installer: Installer, options: RunOptions): Promise<string> {
    const digest = await this.digest();
    const folder = path.join(this.home, `${digest}-${randomBytes(3).toString('hex')}`);
    await fs.mkdir(this.home, { recursive: true });
    try {
      for (const step of installSteps(installer, folder, this.wheel)) {
        options.say?.(`> ${step.join(' ')}`);
        let fault = `“${step.join(' ')}” failed.`;
        const say = (line: string): void => {
          // Of all that an installer says, its last error tells most.
          if (/^error\b/i.test(line)) fault = line;
          options.say?.(line);
        };
        const { code } = await run(step, { ...options, say });
        if (code !== 0) throw new InstallError(`it could not be installed. ${fault}`);
      }
      await this.point({ digest, folder });
    } catch (error) {
      await fs.rm(folder, { recursive: true, force: true });
      throw error;
    }
    return interpreterIn(folder);
  }

  private async digest(): Promise<string> {
    return createHash('sha256').update(await fs.readFile(this.wheel)).digest('hex').slice(0, 12);
  }

  private get pointerFile(): string {
    return path.join(this.home, 'current.json');
  }

  private async pointer(): Promise<Pointer | undefined> {
    try {
      return JSON.parse(await fs.readFile(this.pointerFile, 'utf8')) as Pointer;
    } catch {
      return undefined;
    }
  }

  private async point(pointer: Pointer): Promise<void> {
    const previous = await this.pointer();
    const scratch = `${this.pointerFile}.${process.pid}`;
    await fs.writeFile(scratch, JSON.stringify(pointer));
    await fs.rename(scratch, this.pointerFile);
    if (previous !== undefined && previous.digest !== pointer.digest) {
      await fs.rm(previous.folder, { recursive: true, force: true });
    }
  }
}

export function interpreterIn(folder: string, platform: NodeJS.Platform = process.platform): string {
  return platform === 'win32'
    ? path.win32.join(folder, 'Scripts', 'python.exe')
    : path.posix.join(folder, 'bin', 'python');
}

/** The commands that make the environment, in order. */
export function installSteps(installer: Installer, folder: string, wheel: string): string[][] {
  const python = interpreterIn(folder);
  // With what the MCP server needs, which the extension offers, too.
  const server = `${wheel}[mcp]`;
  if (installer.kind === 'uv') {
    return [
      [installer.uv, 'venv', '--quiet', '--python', '>=3.11', folder],
      [installer.uv, 'pip', 'install', '--python', python, server],
    ];
  }
  return [
    [...installer.python, '-m', 'venv', folder],
    [python, '-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', server],
  ];
}

async function exists(file: string): Promise<boolean> {
  return fs.access(file).then(
    () => true,
    () => false,
  );
}
