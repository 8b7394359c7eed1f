/** What the editor's agent mode can call: the server's verdict on tests, and on what tests notice. */
import * as vscode from 'vscode';
import { inlineCode } from '../foreignText';
import type { FileText } from '../protocol';
import type { Connection } from '../server/connection';
import { counted } from '../wording';
import { newer, type Tool } from './newerApi';

/** As the schemas in package.json say. */
interface Input {
  readonly files?: FileText[];
  readonly path?: string;
}

/** Nothing where the editor knows no tools. */
export function registerTools(connection: Connection): vscode.Disposable {
  const { lm, LanguageModelTextPart: TextPart, LanguageModelToolResult: ToolResult } = newer;
  if (lm?.registerTool === undefined || TextPart === undefined || ToolResult === undefined) return vscode.Disposable.from();
  let calls = 0;

  const tool = (command: 'mlCoach.verify' | 'mlCoach.filterTests', doing: string, title: string): Tool => ({
    prepareInvocation: ({ input }) => ({
      invocationMessage: doing,
      confirmationMessages: { title, message: new vscode.MarkdownString(asked(input)) },
    }),
    async invoke({ input }, token) {
      const callId = `tool-${process.pid}-${++calls}`;
      const stopping = token.onCancellationRequested(() => void connection.execute('mlCoach.stop', { runId: callId }));
      try {
        const answer = await connection.execute(command, { ...input, callId });
        return new ToolResult([new TextPart(JSON.stringify(answer))]);
      } finally {
        stopping.dispose();
      }
    },
  });

  return vscode.Disposable.from(
    lm.registerTool('mlCoach_verify', tool('mlCoach.verify', 'Running the tests in ML Coach’s sandbox', 'Run tests in the sandbox?')),
    lm.registerTool('mlCoach_filterTests', tool('mlCoach.filterTests', 'Making mistakes that the tests should notice', 'Try the tests on mistakes, in the sandbox?')),
  );
}

/** What is to be run, for the user who is asked. */
function asked({ files = [], path = '' }: Input): string {
  const names = files.slice(0, 8).map((file) => inlineCode(file.path)).join(', ');
  const sent = files.length === 0 ? '' : `${counted(files.length, 'file')} of the model: ${names}${files.length > 8 ? ', …' : ''}`;
  const place = path === '' ? '' : `the tests of ${inlineCode(path)}`;
  const what = [place, sent].filter((part) => part !== '').join(', with ');
  return `ML Coach runs ${what || 'nothing'}, without network and without your home folder. No file of yours is changed.`;
}
