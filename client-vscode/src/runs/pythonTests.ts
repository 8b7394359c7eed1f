/** `TestA::test_b[1-2]` → `test_b`. */
export function functionOf(testName: string): string {
  const name = testName.split('[', 1)[0] ?? testName;
  return name.split('::').at(-1) ?? name;
}

/** The line (from 0) on which `suite` defines the function, else its first line. */
export function lineOfTest(suite: string, name: string): number {
  const found = suite.split('\n').findIndex((line) => {
    const [, defined] = /^\s*(?:async\s+)?def\s+(\w+)/.exec(line) ?? [];
    return defined === name;
  });
  return Math.max(found, 0);
}
