// The VS Code workbench as a page object. Selectors checked on VS Code 1.139.1 and 1.93.1.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';

/** Opens `folder` in a browser of its own. `shots` is where pictures go. */
export async function openWorkbench({
  port, folder, shots, payload = [], before, width = 1280, height = 800, scale = 1, theme,
}) {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'coach-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    viewport: { width, height },
    deviceScaleFactor: scale,
    locale: 'en-US',
    ...(theme === undefined ? {} : { colorScheme: theme }),
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
      '--disable-background-networking', '--disable-component-update',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
    ],
  });
  const page = context.pages()[0] ?? (await context.newPage());
  // Bounds, not waits: a machine that is shared may be several times slower than a desktop.
  page.setDefaultTimeout(120_000);
  const workbench = new Workbench(page, context, profile, shots);
  page.on('pageerror', (error) => workbench.errors.push(String(error)));
  page.on('dialog', (dialog) => dialog.accept()); // "beforeunload" where an editor is dirty
  await before?.(page);
  const query = new URLSearchParams({ folder });
  if (payload.length > 0) query.set('payload', JSON.stringify(payload));
  await page.goto(`http://127.0.0.1:${port}/?${query}`);
  await page.locator('.monaco-workbench .part.statusbar').waitFor();
  return workbench;
}

export class Workbench {
  errors = [];

  constructor(page, context, profile, shots) {
    Object.assign(this, { page, context, profile, shots });
    fs.mkdirSync(shots, { recursive: true });
  }

  async close() {
    await this.context.close();
    fs.rmSync(this.profile, { recursive: true, force: true });
  }

  async shot(name) {
    await this.page.screenshot({ path: path.join(this.shots, `${name}.png`) });
  }

  // Commands and boxes

  /** Picks a command in the palette by its whole label. */
  async command(label) {
    const row = this.page.locator('.quick-input-list .monaco-list-row', { hasText: label }).first();
    // The palette lists what was contributed when it opened, which may be before our extension.
    for (let tries = 0; tries < 20; tries++) {
      await this.#quickInput('F1', `>${label}`);
      try {
        await row.click({ timeout: 4000 });
        return;
      } catch {
        await this.page.keyboard.press('Escape');
      }
    }
    throw new Error(`the palette never listed ${label}`);
  }

  /** Types into the input box that an extension opened, and accepts it. */
  async answer(text, { shot } = {}) {
    const input = this.input;
    await input.waitFor();
    await input.fill(text);
    if (shot !== undefined) await this.shot(shot);
    await input.press('Enter');
  }

  row(text) { return this.page.locator('.quick-input-list .monaco-list-row', { hasText: text }).first(); }

  /** Turns the pages of a list, which has only the rows in view in the page, until a row is there. */
  async find(text) {
    const row = this.row(text);
    await this.row('').waitFor();
    for (let pages = 0; pages < 10 && !(await row.isVisible()); pages++) {
      await this.page.keyboard.press('PageDown');
      await this.page.waitForTimeout(200);
    }
    await row.waitFor();
    return row;
  }

  async pick(text) { await (await this.find(text)).click(); }

  get input() {
    return this.page.locator('.quick-input-widget:visible input.input').first();
  }

  /** Opens the box of a key and fills it. Whatever takes the focus closes it, so that both may be needed again. */
  async #quickInput(key, text) {
    const input = this.page.locator('.quick-input-widget .quick-input-box input');
    // Key bindings attach a moment after the workbench shows.
    for (let tries = 0; tries < 40; tries++) {
      await this.page.keyboard.press(key);
      try {
        await input.fill(text, { timeout: 1500 });
        return;
      } catch { /* Pressed too early, or closed again. */ }
    }
    throw new Error(`${key} opened no box that stayed`);
  }

  /** Clicks `target` with the right button and takes the entry at the end of `path`. */
  async menu(target, path, { shot } = {}) {
    // Its key stands behind an entry's name.
    const entry = (label) => this.page.getByRole('menuitem', { name: new RegExp(`^${label}(?: Ctrl|$)`) });
    await target.click({ button: 'right' });
    for (const label of path) await entry(label).hover();
    if (shot !== undefined) await this.shot(shot);
    // VS Code ignores the mouse for 100 ms after a submenu has opened, so a fast click is lost.
    await this.page.keyboard.press('Enter');
  }

  // Editors

  async openFile(name) {
    await this.#quickInput('Control+p', name);
    await this.page.locator('.quick-input-list .monaco-list-row', { hasText: name }).first().click();
    await this.tab(name).waitFor();
    await this.editor(name).locator('.view-line').first().waitFor();
  }

  tab(name) { return this.page.locator(`.tabs-container .tab[data-resource-name="${path.basename(name)}"]`).first(); }
  editor(name) { return this.page.locator(`.monaco-editor[data-uri$="/${name}"]`).first(); }
  line(name, text) { return this.editor(name).locator('.view-line', { hasText: text }).first(); }
  lens(name, text) { return this.editor(name).locator('.codelens-decoration', { hasText: text }).first(); }
  squiggle(name, severity = 'error') { return this.editor(name).locator(`.cdr.squiggly-${severity}`).first(); }
  get diffEditor() { return this.page.locator('.monaco-diff-editor').first(); }
  titleAction(label) { return this.page.locator('.editor-actions .action-label[aria-label^="' + label + '"]').first(); }

  async show(name) {
    await this.tab(name).click();
    await this.editor(name).locator('.view-line').first().waitFor();
  }

  /** Line and column from 1, in the editor that has the focus. */
  async goTo(line, column = 1) {
    await this.#quickInput('Control+g', `:${line}:${column}`);
    await this.page.keyboard.press('Enter');
    await this.page.locator('.quick-input-widget').waitFor({ state: 'hidden' });
  }

  /** Accepts a quick fix at the cursor, by the keyboard: on 1.93 an invisible block swallows clicks. */
  async quickFix(title, { shot } = {}) {
    const widget = this.page.locator('.action-widget:not(.action-list-submenu-panel)');
    const row = widget.locator('.monaco-list-row.action', { hasText: title }).first();
    // The editor gets the focus back a moment after a box has closed; a key press before that is lost.
    for (let tries = 0; !(await row.isVisible()); tries++) {
      if (tries === 20) throw new Error(`the quick fix ${title} was never offered`);
      await this.page.keyboard.press('Control+.');
      await row.waitFor({ timeout: 3000 }).catch(() => this.page.keyboard.press('Escape'));
    }
    if (shot !== undefined) await this.shot(shot);
    const focused = widget.locator('.monaco-list-row.focused', { hasText: title });
    for (let tries = 0; (await focused.count()) === 0; tries++) {
      if (tries > 30) throw new Error(`the action ${title} cannot be reached`);
      await this.page.keyboard.press('ArrowDown');
    }
    await this.page.keyboard.press('Enter');
    await widget.waitFor({ state: 'hidden' });
  }

  get lightbulb() {
    return this.page
      .locator('.lightBulbWidget:visible, .codicon-gutter-lightbulb:visible, .codicon-gutter-lightbulb-auto-fix:visible')
      .first();
  }

  // Everything around the editors

  notification(text) {
    return this.page.locator('.notification-toast .notification-list-item', { hasText: text }).first();
  }

  /** Waits for a message. Of several within a second VS Code shows the later ones in its list only. */
  async told(text) {
    const asToast = await this.notification(text).waitFor({ timeout: 30_000 }).then(() => true, () => false);
    if (asToast) return;
    await this.command('Notifications: Show Notifications');
    await this.page.locator('.notifications-center .notification-list-item', { hasText: text }).first().waitFor();
    await this.page.keyboard.press('Escape');
    await this.page.locator('.notifications-center.visible').waitFor({ state: 'detached' });
  }

  async button(text, name) {
    // Buttons show in full only while the mouse is over the toast.
    const toast = this.notification(text);
    await toast.hover();
    await toast.getByRole('button', { name, exact: true }).click();
  }

  /** The page inside the webview that shows, such as a Markdown preview. */
  get webview() { return this.page.frameLocator('iframe.webview.ready').last().frameLocator('#active-frame'); }
  logLine(text) { return this.page.locator('.part.panel .view-line', { hasText: text }).first(); }
  statusItem(text) { return this.page.locator('.part.statusbar .statusbar-item', { hasText: text }).first(); }
  /** The server's item in the status bar once it answers. */
  get ready() { return this.page.locator('.statusbar-item .codicon-mortar-board').first(); }
  treeRow(text) { return this.page.locator('.part.sidebar .monaco-list-row', { hasText: text }).first(); }
}
