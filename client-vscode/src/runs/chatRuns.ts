/** The runs that a chat shows: their patches and questions are put there, and in no window of their own. */
import type { QuestionParams, QuestionReply } from '../protocol';

/** What the user chose; `type` asks for a value first. */
export type Picked = QuestionReply | 'type';

export class ChatRuns {
  private readonly asking = new Map<string, (params: QuestionParams) => void>();
  private readonly waiting = new Map<string, (picked: Picked | null) => void>();

  has(runId: string): boolean {
    return this.asking.has(runId);
  }

  /** From now on `ask` shows the run's questions. */
  begin(runId: string, ask: (params: QuestionParams) => void): void {
    this.asking.set(runId, ask);
  }

  /** The chat shows the run no more; a question that waits is left open. */
  end(runId: string): void {
    this.asking.delete(runId);
    this.waiting.get(runId)?.(null);
  }

  /** Shows the question and waits for `answer`; null where the run or its chat ended before. */
  async ask(params: QuestionParams, token: { onCancellationRequested(listener: () => void): unknown }): Promise<Picked | null> {
    const { runId } = params;
    try {
      return await new Promise((resolve) => {
        this.waiting.set(runId, resolve);
        token.onCancellationRequested(() => { resolve(null); });
        this.asking.get(runId)?.(params);
      });
    } finally {
      this.waiting.delete(runId);
    }
  }

  /** Gives an answer. False where the run waits for none. */
  answer(runId: string, picked: Picked): boolean {
    const resolve = this.waiting.get(runId);
    resolve?.(picked);
    return resolve !== undefined;
  }
}
