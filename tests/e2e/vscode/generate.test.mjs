// The way that most users take: a prompt, a failing test, its fix, undone again.
import assert from 'node:assert/strict';
import { PROMPT, RIGHT, WRONG } from './model.mjs';
import { scene, until } from './stage.mjs';

scene('a prompt becomes a tested program, with the fix taken from the lightbulb', { name: 'generate' }, async ({ wb, read }) => {
  await wb.command('ML Coach: Generate');
  await wb.answer(PROMPT, { shot: '01-prompt' });

  await wb.notification('ML Coach: generating generated_code.py').waitFor();
  await wb.shot('02-progress');
  await wb.tab('generated_code.py').waitFor();
  await wb.tab('test_generated.py').waitFor();
  await wb.notification('ML Coach has a patch').waitFor();
  await wb.shot('03-patch-offered');

  await wb.show('test_generated.py');
  await wb.squiggle('test_generated.py').waitFor();
  await wb.lens('test_generated.py', '2 of 5 pass').waitFor();
  await wb.shot('04-failing-test');
  assert.ok(read('generated_code.py').includes(WRONG));

  await wb.line('test_generated.py', 'test_given_1').click();
  await wb.goTo(7, 12);
  await wb.lightbulb.waitFor();
  await wb.shot('05-lightbulb');
  await wb.quickFix('Apply ML Coach patch', { shot: '06-quick-fix' });

  await wb.notification('generated_code.py passed: 5 of 5 tests pass').waitFor();
  await until(() => read('generated_code.py').includes(RIGHT), 'the fix in the file');
  await wb.squiggle('test_generated.py').waitFor({ state: 'detached' });
  await wb.lens('test_generated.py', '5 of 5 pass').waitFor();
  // The question about the patch was answered by the lightbulb.
  await wb.notification('ML Coach has a patch').waitFor({ state: 'detached' });
  await wb.shot('07-passed');

  await wb.command('ML Coach: Undo Run');
  await wb.notification('the run was undone').waitFor();
  await wb.shot('08-undone');
});
