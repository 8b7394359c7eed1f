// A run that is not sure asks the user, in the quick pick, later by its message, and by the lens.
import assert from 'node:assert/strict';
import { DIVIDED } from './model.mjs';
import { scene, until } from './stage.mjs';

const ASKED = "slugify('A B_c'): which is right?";
const CONFIRMED = "assert slugify('A B_c') == 'a-b-c'";

scene('a run asks what only the user can say, and goes on with the answer', {
  name: 'question', model: 'small', machine: { 'mlCoach.maxQuestions': 1 },
}, async ({ wb, read }) => {
  await wb.command('ML Coach: Generate');
  await wb.answer(DIVIDED);
  await wb.row("'a-b_c'").waitFor();
  await wb.shot('01-asked');
  // No answer has the focus, so that a key which was meant for something else chooses none.
  await wb.page.keyboard.press('Enter');
  await wb.row("'a-b_c'").waitFor();
  await wb.pick('Something else');
  await wb.answer('a b', { shot: '02-something-else' });
  await wb.page.locator('.quick-input-widget', { hasText: 'is no Python value' }).waitFor();
  await wb.shot('03-nonsense');
  await wb.page.keyboard.press('Escape');

  await wb.notification('generated_code.py is unsure').waitFor();
  await wb.notification('generated_code.py is unsure').hover();
  await wb.shot('04-left-open');
  await wb.button('generated_code.py is unsure', 'Answer…');
  await wb.row("'a-b_c'").waitFor();
  await wb.page.keyboard.press('Escape');
  assert.ok(!read('test_generated.py').includes(CONFIRMED));

  await wb.show('generated_code.py');
  await wb.lens('generated_code.py', `Answer: ${ASKED}`).waitFor();
  await wb.goTo(1, 6);
  await wb.quickFix("Answer ML Coach: slugify('A B_c') gives 'a-b-c'", { shot: '05-quick-fixes' });
  await until(() => read('test_generated.py').includes(CONFIRMED), 'the confirmed test in the file');
  await wb.lens('generated_code.py', 'Answer:').waitFor({ state: 'detached' });
  await wb.show('test_generated.py');
  await wb.shot('06-answered');

  await wb.command('ML Coach: Undo Run');
  await wb.pick('unsure'); // The newest of the two runs.
  await until(() => !read('test_generated.py').includes(CONFIRMED), 'the answer taken back');
  await wb.show('generated_code.py');
  await wb.lens('generated_code.py', `Answer: ${ASKED}`).waitFor();
  await wb.shot('07-taken-back');
});
