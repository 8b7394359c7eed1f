import * as vscode from 'vscode';
import { CloseAction, ErrorAction, type ErrorHandler, ExecuteCommandRequest, State } from 'vscode-languageclient';
import { LanguageClient, type LanguageClientOptions } from 'vscode-languageclient/node';
import type { Commands } from '../protocol';
import { CrashHistory } from './crashHistory';

export type ServerState = 'stopped' | 'starting' | 'ready' | 'failed';

/** What a connection needs from the rest of the extension. */
export interface ConnectionParts {
  readonly log: vscode.LogOutputChannel;
  /** The command that starts the server; asked at each start by hand. */
  locate(): Promise<readonly string[]>;
  /** Variables for the server's process only. */
  environment(): Promise<Record<string, string>>;
  options(client: () => LanguageClient): LanguageClientOptions;
  /** Registers handlers on a client before it starts. */
  attach(client: LanguageClient): void;
}

/** The one language server of this window: started, restarted and stopped strictly in turn. */
export class Connection implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<ServerState>();
  private readonly crashes = new CrashHistory();
  private client: LanguageClient | undefined;
  private queue: Promise<unknown> = Promise.resolve();
  private current: ServerState = 'stopped';
  /** Whether the server that was started last ever answered; one that never did is not tried again. */
  private answered = false;

  constructor(private readonly parts: ConnectionParts) {}

  readonly onDidChangeState = this.changed.event;

  get state(): ServerState {
    return this.current;
  }

  /** Starts the server where it is not running. Rejects when it cannot be started. */
  start(): Promise<void> {
    return this.inTurn(async () => {
      const { client } = this;
      const alive = client?.state === State.Running || client?.state === State.Starting;
      await (alive ? client.start() : this.launch());
    });
  }

  restart(): Promise<void> {
    return this.inTurn(async () => {
      await this.quit();
      await this.launch();
    });
  }

  stop(): Promise<void> {
    return this.inTurn(() => this.quit());
  }

  /** Runs one of the server's commands, starting the server first where that is needed. */
  async execute<Name extends keyof Commands>(
    command: Name,
    argument: Commands[Name][0],
  ): Promise<Commands[Name][1]> {
    await this.start();
    if (this.client === undefined) throw new Error('The ML Coach server is not running.');
    const params = { command, arguments: [argument] };
    return (await this.client.sendRequest(ExecuteCommandRequest.type, params)) as Commands[Name][1];
  }

  dispose(): void {
    this.changed.dispose();
  }

  /** Two starts at once would leave two servers, so each step waits for the one before. */
  private inTurn<T>(step: () => Promise<T>): Promise<T> {
    const turn = this.queue.then(step);
    this.queue = turn.catch(() => undefined);
    return turn;
  }

  private async launch(): Promise<void> {
    this.become('starting');
    this.crashes.forget();
    try {
      await this.client?.dispose();
      const [command = '', ...args] = await this.parts.locate();
      const line = [command, ...args].join(' ');
      this.parts.log.info(`Starting: ${line}`);
      const env = { ...process.env, ...(await this.parts.environment()) };
      const client: LanguageClient = new LoggingClient(
        'mlCoach',
        'ML Coach',
        { command, args, options: { env } },
        { ...this.parts.options(() => client), errorHandler: this.onError },
      );
      client.onDidChangeState(({ newState }) => { this.follow(newState); });
      this.parts.attach(client);
      this.client = client;
      this.answered = false;
      await client.start().catch((cause: unknown) => {
        throw new Error(`“${line}” does not answer as a language server.`, { cause });
      });
    } catch (error) {
      this.become('failed');
      throw error;
    }
  }

  private async quit(): Promise<void> {
    // Before it is asked to end: its last messages must make nobody start it again.
    this.become('stopped');
    await this.client?.dispose();
    this.client = undefined;
  }

  private follow(state: State): void {
    if (state === State.Running) {
      this.answered = true;
      this.become('ready');
    }
    if (state === State.Starting) this.become('starting');
    if (state === State.Stopped && this.current !== 'failed') this.become('stopped');
  }

  private become(state: ServerState): void {
    if (this.current === state) return;
    this.current = state;
    this.changed.fire(state);
  }

  private readonly onError: ErrorHandler = {
    error: () => ({ action: ErrorAction.Continue, handled: true }),
    closed: () => {
      if (!this.answered) return { action: CloseAction.DoNotRestart, handled: true };
      if (this.crashes.mayRestart(Date.now())) {
        this.parts.log.warn('The server ended unexpectedly; it is started again.');
        return { action: CloseAction.Restart, handled: true };
      }
      this.become('failed');
      void this.giveUp();
      return { action: CloseAction.DoNotRestart, handled: true };
    },
  };

  private async giveUp(): Promise<void> {
    const text = 'The ML Coach server crashed five times within three minutes and was not started again.';
    const answer = await vscode.window.showErrorMessage(text, 'Show Log', 'Restart');
    if (answer === 'Show Log') this.parts.log.show();
    if (answer === 'Restart') await this.restart();
  }
}

/** The library shows its errors in its own words; ours are told once, where they are caught. */
class LoggingClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}
