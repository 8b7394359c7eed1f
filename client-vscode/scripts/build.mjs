// Bundles the extension into one file. --watch keeps doing so.
import { build, context } from 'esbuild';

const options = {
  entryPoints: ['client-vscode/src/extension.ts'],
  outfile: 'client-vscode/dist/extension.js',
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20', // VS Code 1.91 to 1.97 run extensions on Node 20.
  external: ['vscode'],
  minify: !process.argv.includes('--watch'),
  sourcemap: process.argv.includes('--watch') ? 'inline' : false,
  logLevel: 'warning',
};

if (process.argv.includes('--watch')) await (await context(options)).watch();
else await build(options);
