/** Settings that only this extension reads; the server would call them unknown. */
const CLIENT_ONLY = new Set(['server', 'trace']);

export interface Inspected {
  readonly globalValue?: unknown;
  readonly workspaceValue?: unknown;
  readonly workspaceFolderValue?: unknown;
}

/**
 * What the user has set in the section `mlCoach`. Defaults are left out: the server has the same
 * ones, and an environment variable stands above a default but below a setting.
 */
export function settingsSection(
  names: Iterable<string>,
  inspect: (name: string) => Inspected | undefined,
): Record<string, unknown> {
  const section: Record<string, unknown> = {};
  for (const name of names) {
    if (CLIENT_ONLY.has(name.split('.', 1)[0] ?? '')) continue;
    const found = inspect(name);
    const value = found?.workspaceFolderValue ?? found?.workspaceValue ?? found?.globalValue;
    if (value !== undefined) section[name] = value;
  }
  return section;
}
