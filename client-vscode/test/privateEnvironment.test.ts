import assert from 'node:assert/strict';
import * as fs from 'node:fs/promises';
import * as os from 'node:os';
import * as path from 'node:path';
import { test, type TestContext } from 'node:test';
import { InstallError, installSteps, interpreterIn, PrivateEnvironment } from '../src/server/privateEnvironment';
import { run } from '../src/server/processes';

async function folder(t: TestContext): Promise<string> {
  const made = await fs.mkdtemp(path.join(os.tmpdir(), 'coach-env-'));
  t.after(() => fs.rm(made, { recursive: true }));
  return made;
}

/** A package that pip can install offline: a wheel is only a zip, which Python itself can write. */
async function tinyWheel(home: string, python: string, version = '1.0'): Promise<string> {
  const wheel = path.join(home, `tiny-${version}-py3-none-any.whl`);
  const info = `tiny-${version}.dist-info`;
  const script = `
import zipfile
with zipfile.ZipFile(${JSON.stringify(wheel)}, "w") as wheel:
    wheel.writestr("tiny.py", "")
    wheel.writestr("${info}/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: ${version}\\n")
    wheel.writestr("${info}/WHEEL", "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr("${info}/RECORD", "tiny.py,,\\n${info}/METADATA,,\\n${info}/WHEEL,,\\n${info}/RECORD,,\\n")
`;
  const { code } = await run([python, '-c', script]);
  assert.equal(code, 0);
  return wheel;
}

test('uv makes it in two steps, venv and pip do where there is no uv', () => {
  const [venv, install] = installSteps({ kind: 'uv', uv: 'uv' }, '/home/env', '/x/ml_coach.whl');
  assert.deepEqual(venv, ['uv', 'venv', '--quiet', '--python', '>=3.11', '/home/env']);
  assert.deepEqual(install, ['uv', 'pip', 'install', '--python', '/home/env/bin/python', '/x/ml_coach.whl[mcp]']);
  const [first] = installSteps({ kind: 'venv', python: ['py', '-3'] }, '/home/env', '/x/ml_coach.whl');
  assert.deepEqual(first, ['py', '-3', '-m', 'venv', '/home/env']);
});

test('the interpreter lies where each platform keeps it', () => {
  assert.equal(interpreterIn('/e', 'linux'), '/e/bin/python');
  assert.equal(interpreterIn('C:\\e', 'win32'), 'C:\\e\\Scripts\\python.exe');
});

test('a finished environment is found again, and only for its own wheel', async (t) => {
  const home = await folder(t);
  const wheel = await tinyWheel(home, 'python3');
  const environment = new PrivateEnvironment(path.join(home, 'environments'), wheel);
  assert.equal(await environment.find(), undefined);
  const python = await environment.make({ kind: 'venv', python: ['python3'] }, {});
  assert.equal(await environment.find(), python);
  const other = new PrivateEnvironment(path.join(home, 'environments'), await tinyWheel(home, 'python3', '2.0'));
  assert.equal(await other.find(), undefined);
});

test('a failed or cancelled installation leaves nothing behind', async (t) => {
  const home = await folder(t);
  const broken = path.join(home, 'broken-1.0-py3-none-any.whl');
  await fs.writeFile(broken, 'not a wheel');
  const environments = path.join(home, 'environments');
  const environment = new PrivateEnvironment(environments, broken);
  const said: string[] = [];
  const venv = { kind: 'venv', python: ['python3'] } as const;
  await assert.rejects(environment.make(venv, { say: (line) => said.push(line) }), InstallError);
  assert.match(said.join('\n'), /broken/);
  const abort = new AbortController();
  const cancelled = environment.make(venv, { signal: abort.signal, say: () => { abort.abort(new Error('cancelled')); } });
  await assert.rejects(cancelled, /cancelled/);
  assert.deepEqual(await fs.readdir(environments), []);
});
