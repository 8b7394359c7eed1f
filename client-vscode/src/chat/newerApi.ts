/** What VS Code has beyond 1.91, the oldest that the extension runs on, as far as it is used; undefined in older ones. */
import * as vscode from 'vscode';

/** Since 1.95. */
export interface Tool {
  invoke(options: { readonly input: object }, token: vscode.CancellationToken): Promise<object>;
  prepareInvocation(options: { readonly input: object }): {
    readonly invocationMessage: string;
    readonly confirmationMessages?: { readonly title: string; readonly message: vscode.MarkdownString };
  };
}

/** Since 1.101. */
export interface McpServer {
  readonly label: string;
  cwd?: vscode.Uri;
  command: string;
  args: string[];
  env: Record<string, string>;
}

export interface McpServerProvider {
  provideMcpServerDefinitions(): McpServer[];
  /** Called before the server starts. */
  resolveMcpServerDefinition(server: McpServer): Promise<McpServer>;
}

interface NewerApi {
  readonly chat?: typeof vscode.chat;
  readonly lm?: {
    readonly registerTool?: (name: string, tool: Tool) => vscode.Disposable;
    readonly registerMcpServerDefinitionProvider?: (id: string, provider: McpServerProvider) => vscode.Disposable;
  };
  readonly LanguageModelTextPart?: new (text: string) => object;
  readonly LanguageModelToolResult?: new (content: object[]) => object;
  readonly McpStdioServerDefinition?: new (label: string, command: string, args: string[]) => McpServer;
}

export const newer = vscode as unknown as NewerApi;
