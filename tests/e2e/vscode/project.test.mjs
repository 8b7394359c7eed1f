// A project's own tests: run, mended over several files, undone; and their tree, only when asked.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { searchBlock } from './model.mjs';
import { PYTHON, ROOT, scene, until } from './stage.mjs';

const PRICES = `from shop.rates import rate


def price(value, kind):
    return value - rate(kind)
`;
const RATES = `RATE = 7


def rate(kind):
    return RATE if kind == "full" else 0
`;
const TESTS = `from shop.prices import price


def test_full():
    assert price(2, "full") == 14


class TestReduced:
    def test_reduced(self):
        assert price(2, "reduced") == 6
`;
const FILES = {
  'pyproject.toml': '[tool.pytest.ini_options]\ntestpaths = ["tests"]\n',
  'src/shop/__init__.py': '',
  'src/shop/prices.py': PRICES,
  'src/shop/rates.py': RATES,
  'tests/test_prices.py': TESTS,
};

scene('failing tests are fixed by one patch over two files, and that is undone', { name: 'project', files: FILES }, async ({ wb, read }) => {
  await wb.openFile('test_prices.py');
  await wb.ready.waitFor();
  await wb.command('ML Coach: Fix Failing Tests');
  await wb.notification('fixing the tests of').waitFor();
  await wb.squiggle('test_prices.py').waitFor();
  await wb.button('ML Coach has a patch', 'Show Diff');
  const diff = wb.page.locator('.multiDiffEditor').first();
  await diff.locator('.line-insert, .char-insert').nth(1).waitFor();
  await wb.shot('01-one-diff');
  await wb.show('test_prices.py');
  await wb.goTo(5);
  await wb.quickFix('Apply ML Coach patch', { shot: '02-quick-fix' });
  await wb.notification('2 of 2 tests pass').waitFor();
  await until(() => read('src/shop/prices.py').includes('value * rate') && read('src/shop/rates.py').includes('else 3'), 'both fixes');
  await diff.waitFor({ state: 'detached' });
  await wb.squiggle('test_prices.py').waitFor({ state: 'detached' });
  assert.equal(read('tests/test_prices.py'), TESTS);
  await wb.shot('03-fixed');
  await wb.command('ML Coach: Undo Run');
  await until(() => read('src/shop/prices.py') === PRICES && read('src/shop/rates.py') === RATES, 'the old code');
});

const REAL = path.join(process.env.ML_COACH_DATA ?? path.join(ROOT, '../shared/data'), 'realbugs');
const BUG = 'boltons-eb659013';

if (!fs.existsSync(REAL)) {
  test('a bug of a real library is fixed', { skip: `no folder ${REAL}: set ML_COACH_DATA to the data of the benchmarks` });
} else {
  const rows = fs.readFileSync(path.join(REAL, 'realbugs_fixes.jsonl'), 'utf8').split('\n').filter(Boolean).map(JSON.parse);
  const [[file, after]] = Object.entries(rows.find(({ id }) => id === BUG).files);
  const tree = path.join(REAL, 'trees', `${BUG}.tar.xz`);
  const before = execFileSync(PYTHON, ['-c', 'import sys, tarfile\nsys.stdout.buffer.write(tarfile.open(sys.argv[1]).extractfile(sys.argv[2]).read())', tree, file], { encoding: 'utf8' });

  scene('a bug of a real library is fixed, and that is undone', { name: 'real-bug', files: {}, tree, projectPatch: searchBlock(file, before, after) }, async ({ wb, read }) => {
    await wb.openFile('test_tableutils.py');
    await wb.ready.waitFor();
    await wb.command('ML Coach: Fix Failing Tests');
    await wb.button('ML Coach has a patch', 'Show Diff');
    await wb.shot('01-diff');
    await wb.show('test_tableutils.py');
    await wb.command('Go to Next Problem (Error, Warning, Info)');
    await wb.page.keyboard.press('Escape');
    await wb.quickFix('Apply ML Coach patch', { shot: '02-quick-fix' });
    await wb.notification(/(\d+) of \1 tests pass/).waitFor();
    await until(() => read(file) === after, 'the fix');
    await wb.shot('03-fixed');
    await wb.command('ML Coach: Undo Run');
    await until(() => read(file) === before, 'the old code');
  });
}

scene("the project's tests are in the Test Explorer once they are asked for", { name: 'project-tests', files: FILES }, async ({ wb, read }) => {
  await wb.openFile('test_prices.py');
  await wb.ready.waitFor();
  const row = (text) => wb.page.locator('.test-explorer .monaco-list-row', { hasText: text }).first();
  await wb.command('Testing: Focus on Test Explorer View');
  // While there is no test at all, the tree is there and hidden.
  await wb.page.locator('.test-explorer').waitFor({ state: 'attached' });
  assert.equal(await row('test_prices.py').count(), 0);
  await wb.command("ML Coach: Show This Project's Tests");
  await row('test_prices.py').waitFor();
  await row('test_prices.py').click();
  await wb.page.keyboard.press('ArrowRight');
  await row('test_full').waitFor();
  await row('TestReduced').waitFor();
  await wb.page.locator('.test-explorer', { hasText: '0/2' }).waitFor();
  await wb.notification('2 of 2 tests did not pass').waitFor();
  await wb.shot('01-failed');
  await wb.menu(row('test_full'), ['Fix Failing Tests'], { shot: '02-menu' });
  await wb.button('ML Coach has a patch', 'Apply');
  await wb.notification('1 of 1 test passes').waitFor();
  await until(() => read('src/shop/prices.py').includes('value * rate'), 'the fix');
  await wb.command('Test: Run All Tests');
  await wb.page.locator('.test-explorer', { hasText: '2/2' }).waitFor();
  await wb.shot('03-passed');
});
