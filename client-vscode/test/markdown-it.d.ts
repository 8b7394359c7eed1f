/** The part of the library that the tests use; it brings no types of its own. */
declare module 'markdown-it' {
  export default class MarkdownIt {
    constructor(options: { html: boolean; linkify: boolean });
    render(text: string): string;
  }
}
