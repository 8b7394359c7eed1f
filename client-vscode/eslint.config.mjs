import js from '@eslint/js';
import globals from 'globals';
import tseslint from 'typescript-eslint';

const typed = { files: ['client-vscode/{src,test}/**/*.ts'] };

export default tseslint.config(
  { ignores: ['**/dist/**', '**/out/**', '**/node_modules/**'] },
  js.configs.recommended,
  ...[...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked].map(
    (config) => ({ ...config, ...typed }),
  ),
  {
    ...typed,
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      // Numbers and counts read well in sentences without String() around them.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // node:test returns a promise from test(), which its runner awaits by itself.
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafeCalls: [{ from: 'package', name: ['test', 'suite'], package: 'node:test' }] },
      ],
    },
  },
  {
    files: ['**/*.mjs', '**/*.cjs'],
    languageOptions: { globals: { ...globals.node } },
  },
);
