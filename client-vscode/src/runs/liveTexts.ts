/** What the agents of each run have written so far. Nothing here knows VS Code. */
import type { RunWriting } from '../protocol';

export interface LiveText {
  readonly runId: string;
  readonly agent: string;
  /** What its tab is called. */
  readonly title: string;
  /** The file that the text is for; empty where there is none. */
  readonly file: string;
  readonly callId: number;
  readonly text: string;
  /** False once the agent has stopped; the text stays until it is forgotten. */
  readonly isGrowing: boolean;
}

export class LiveTexts {
  private readonly texts = new Map<string, LiveText>();

  get(runId: string, agent: string): LiveText | undefined {
    return this.texts.get(key(runId, agent));
  }

  of(runId: string): LiveText[] {
    return [...this.texts.values()].filter((one) => one.runId === runId);
  }

  /** Adds what came; the agents whose text or state is another now. */
  take({ runId, agents }: RunWriting): LiveText[] {
    const changed: LiveText[] = [];
    const set = (text: LiveText): void => {
      this.texts.set(key(runId, text.agent), text);
      changed.push(text);
    };
    for (const { agent, file, doing, callId, text: piece } of agents) {
      const known = this.get(runId, agent);
      const name = file.split('/').at(-1) ?? '';
      const title = name === '' ? doing : `${name} (being written)`;
      const before = known?.callId === callId ? known.text : '';
      // An agent that is asked, and says nothing yet, takes nothing off the screen.
      if (before === '' && piece === '' && known !== undefined) continue;
      if (piece === '' && known?.isGrowing === true) continue;
      // The title is the tab's, so it stays.
      set({ runId, agent, title: known?.title ?? title, file, callId, text: before + piece, isGrowing: true });
    }
    for (const known of this.of(runId)) {
      if (known.isGrowing && !agents.some(({ agent }) => agent === known.agent)) set({ ...known, isGrowing: false });
    }
    return changed;
  }

  forget({ runId, agent }: LiveText): void {
    this.texts.delete(key(runId, agent));
  }
}

function key(runId: string, agent: string): string {
  return `${runId}/${agent}`;
}
