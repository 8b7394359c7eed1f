const LONGEST = 30;

/** `history` with `prompt` first, each prompt once, the oldest forgotten. */
export function remember(history: readonly string[], prompt: string): string[] {
  return [prompt, ...history.filter((earlier) => earlier !== prompt)].slice(0, LONGEST);
}
