/** Offers ML Coach's MCP server to the editor, which starts it when a chat wants its tools. */
import * as vscode from 'vscode';
import { mcpCommand } from './mcpCommand';
import { newer } from './newerApi';

export interface McpParts {
  /** The command that starts the language server. */
  readonly locate: () => Promise<readonly string[]>;
  readonly environment: () => Promise<Record<string, string>>;
}

/** Nothing where the editor takes no MCP servers from extensions. */
export function registerMcpServer({ locate, environment }: McpParts): vscode.Disposable {
  const { lm, McpStdioServerDefinition: Definition } = newer;
  if (lm?.registerMcpServerDefinitionProvider === undefined || Definition === undefined) return vscode.Disposable.from();
  return lm.registerMcpServerDefinitionProvider('mlCoach', {
    provideMcpServerDefinitions: () => [new Definition('ML Coach', 'ml-coach', ['mcp'])],
    // Only now: to find a server may mean to install one.
    async resolveMcpServerDefinition(server) {
      [server.command = '', ...server.args] = mcpCommand(await locate());
      server.env = await environment();
      const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
      if (folder?.scheme === 'file') server.cwd = folder;
      return server;
    },
  });
}
