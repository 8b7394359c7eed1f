import { patchInActiveTab } from '../patches/diff';
import type { PatchReview } from '../patches/patchReview';
import type { Row } from '../runs/runTree';

/** A patch is named by its id, by its row in the Runs view, or by the diff in the active tab. */
export function patchCommands(review: PatchReview): Record<string, (...args: never[]) => unknown> {
  return {
    showDiff: (from?: unknown) => review.show(patchOf(from)),
    applyPatch: (from?: unknown) => review.apply(patchOf(from)),
    applyAllPatches: (from?: unknown) => review.apply(patchOf(from), true),
    discardPatch: (from?: unknown) => review.discard(patchOf(from)),
  };
}

function patchOf(from: unknown): string {
  if (typeof from === 'string') return from;
  const row = from as Partial<Row> | undefined;
  const id = row?.kind === 'patch' ? row.patch?.patchId : patchInActiveTab();
  if (id === undefined) throw new Error('Open a patch of ML Coach first: its diff, or its row in the Runs view.');
  return id;
}
