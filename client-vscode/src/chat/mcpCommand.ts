/** The command of the MCP server, from that of the language server, which ends in `serve` and its options. */
export function mcpCommand(command: readonly string[]): string[] {
  const serve = command.lastIndexOf('serve');
  if (serve < 1) throw new Error(`“${command.join(' ')}” is no command that can also start ML Coach's MCP server.`);
  return [...command.slice(0, serve), 'mcp'];
}
