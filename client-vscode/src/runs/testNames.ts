/** Names of a project's tests, as pytest writes them. Nothing here knows VS Code. */

/** `tests/test_a.py::TestB::test_c[x::y]` → the file, and `TestB`, `test_c[x::y]`. */
export function partsOf(test: string): { file: string; names: string[] } {
  const bracket = test.indexOf('[');
  const plain = bracket < 0 ? test : test.slice(0, bracket);
  const [file = '', ...names] = plain.split('::');
  const last = names.pop();
  return { file, names: last === undefined ? names : [...names, last + test.slice(plain.length)] };
}

export interface Named {
  readonly label: string;
  readonly path: string | undefined;
  readonly parent: Named | undefined;
}

/**
 * The test of `file` that an item of any Test Explorer stands for, undefined for the file as a whole or
 * a folder. Within a file each item has its path; the Python extension names parameters `[x]`, without their test.
 */
export function testOf(item: Named): string | undefined {
  const names: string[] = [];
  for (let at = item; at.parent !== undefined && at.parent.path === at.path; at = at.parent) {
    if (!at.label.startsWith('[')) names.unshift(at.label);
  }
  return names.length === 0 ? undefined : names.join('::');
}
