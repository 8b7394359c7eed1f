// The context menus: debugging and testing a file that the user wrote.
import assert from 'node:assert/strict';
import { PROMPT, RIGHT, WRONG } from './model.mjs';
import { scene, until } from './stage.mjs';

const PROGRAM = `def moving_average(values: list[float], window: int) -> list[float]:
    """The mean of each window of neighbours."""
    return [sum(values[i : i + window]) / window for i in ${WRONG}]
`;
const TESTS = `from average import moving_average


def test_pairs():
    assert moving_average([1, 2, 3, 4], 2) == [1.5, 2.5, 3.5]
`;

scene('a file is debugged from the explorer and tested from its editor', {
  name: 'menus', files: { 'average.py': PROGRAM, 'test_average.py': TESTS, 'empty.py': '' },
}, async ({ wb, read }) => {
  const file = (name) => wb.page.locator('.explorer-folders-view .monaco-list-row', { hasText: name }).first();
  await wb.ready.waitFor();
  await wb.menu(file('average.py'), ['ML Coach', 'Debug This File'], { shot: '01-explorer' });
  await wb.notification('debugging average.py').waitFor();
  await wb.notification('ML Coach has a patch').waitFor();
  await wb.openFile('test_average.py');
  await wb.squiggle('test_average.py').waitFor();
  await wb.shot('02-patch');
  // The question fades after ten seconds; the status bar still leads to the patch.
  await wb.statusItem('waiting for your decision').click();
  await wb.titleAction('Apply Patch').click();
  await wb.notification('1 of 1 test passes').waitFor();
  await until(() => read('average.py').includes(RIGHT), 'the fix in the file');

  await wb.openFile('average.py');
  await wb.menu(wb.line('average.py', 'moving_average'), ['ML Coach', 'Write Tests'], { shot: '03-editor' });
  await wb.notification('writing tests for average.py').waitFor();
  await wb.tab('test_average_generated.py').waitFor();
  await wb.lens('test_average_generated.py', '3 of 4 pass').waitFor();
  await wb.command('View: Show ML Coach');
  await wb.treeRow('Write tests for').waitFor();
  await wb.treeRow('Debug average.py').waitFor();
  await wb.shot('04-runs');
  assert.equal(read('test_average.py'), TESTS);

  await wb.command('View: Show Explorer');
  await wb.menu(file('empty.py'), ['ML Coach', 'Generate']);
  await wb.answer(`${PROMPT} Think slowly.`);
  await wb.notification('generating empty.py').waitFor();
});

// One line, because the editor indents what is typed into several.
const ONE_LINE = 'def moving_average(values, window): return []';

scene('a file that was never saved is saved first', {
  name: 'unsaved',
}, async ({ wb, folder, read }) => {
  await wb.ready.waitFor();
  await wb.command('File: New Untitled Text File');
  await wb.page.locator('.tab[data-resource-name^="Untitled"]').first().waitFor();
  await wb.command('Change Language Mode');
  await wb.answer('Python');
  await wb.page.locator('.monaco-editor[data-uri^="untitled"]').first().click();
  await wb.page.keyboard.insertText(ONE_LINE);
  await wb.command('ML Coach: Write Tests');
  // The dialog fills in a name of its own after it has opened.
  await until(async () => (await wb.input.inputValue()).endsWith('.py'), 'the suggested name');
  await wb.answer(`${folder}/average.py`, { shot: '01-where' });
  await wb.notification('writing tests for average.py').waitFor();
  assert.equal(read('average.py'), ONE_LINE);
});
