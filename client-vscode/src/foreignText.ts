/** Text that a program or a model wrote, for places that would follow its links or load its images. */

/** Control characters, halves of a character, and marks that turn the direction of text. */
// eslint-disable-next-line no-control-regex
const HARMFUL = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]|\p{Surrogate}/gu;

/** The text with each harmful character escaped; line ends and tabs stay. */
export function harmless(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(HARMFUL, (one) => `\\x${one.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** For a message: VS Code makes a link of `[text](address)` there, also of one that runs a command. */
export function unlinked(text: string): string {
  return harmless(text).replaceAll('](', '] (');
}

/** A sentence for Markdown, as text: each mark of it is escaped, so that it stays what it is. */
export function plainText(text: string): string {
  return harmless(text).split(/\s+/).join(' ').trim().replace(/[!-/:-@[-`{-~]/g, '\\$&');
}

/** One line for Markdown, as code: nothing in it is a link, an image or a tag. */
export function inlineCode(text: string): string {
  const line = harmless(text).split(/\s+/).join(' ').trim();
  if (line === '') return '';
  const fence = fenceAround(line, 1);
  const space = /^`|`$/.test(line) ? ' ' : '';
  return fence + space + line + space + fence;
}

/** Lines for Markdown, as code. `indent` puts them under an item of a list. */
export function codeBlock(text: string, language = 'text', indent = ''): string {
  const body = harmless(text).replace(/\n+$/, '');
  const fence = fenceAround(body, 3);
  return [`${fence}${language}`, ...body.split('\n'), fence].map((line) => indent + line).join('\n');
}

/** Longer than any run of backticks in the text, so that the text cannot close it. */
function fenceAround(text: string, least: number): string {
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  return '`'.repeat(Math.max(least, longest + 1));
}
