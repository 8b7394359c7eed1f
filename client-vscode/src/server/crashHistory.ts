/** Decides whether a server that died is started again: not after five deaths in three minutes. */
export class CrashHistory {
  static readonly LIMIT = 5;
  static readonly WINDOW_MS = 3 * 60_000;
  private deaths: number[] = [];

  /** Notes a death at `now` (milliseconds) and says whether to start the server again. */
  mayRestart(now: number): boolean {
    this.deaths = [...this.deaths, now].filter((then) => now - then < CrashHistory.WINDOW_MS);
    return this.deaths.length < CrashHistory.LIMIT;
  }

  /** The user started it by hand: what was before no longer counts. */
  forget(): void {
    this.deaths = [];
  }
}
