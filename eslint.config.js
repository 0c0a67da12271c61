import js from '@eslint/js'
import tseslint from 'typescript-eslint'

const noBareErrors = {
  selector: 'ThrowStatement > NewExpression[callee.name=/^(Error|TypeError|RangeError)$/]',
  message: 'Throw a CodedError of this package: callers match on its code.',
}
const decodedConfigs = {
  selector:
    'MemberExpression[property.name=/^(ConfigEnvelope|ConfigGroup|Orderers|OrdererAddresses|ConsensusType|Capabilities)Schema$/]',
  message: 'channelConfigOf of @heddle/channel reads configurations: ask it.',
}
const impure = [
  {
    selector: "MemberExpression[object.name='Date'][property.name='now']",
    message: 'The core has no clock.',
  },
  { selector: "NewExpression[callee.name='Date']", message: 'The core has no clock.' },
  {
    selector: "MemberExpression[object.name='Math'][property.name='random']",
    message: 'The core has no randomness.',
  },
  { selector: 'AwaitExpression', message: 'The core is synchronous.' },
  { selector: ':function[async=true]', message: 'The core is synchronous.' },
]

export default tseslint.config(
  { ignores: ['**/dist/**', '**/gen/**', '**/.results/**', '**/fixtures/**', '**/tsup.config.ts'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      'max-lines': ['error', { max: 500, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
      complexity: ['error', 12],
      'max-params': ['error', 4],
      eqeqeq: 'error',
      'no-console': 'error',
      'no-restricted-imports': ['error', { patterns: ['@heddle/*/dist/*', '@heddle/*/src/*'] }],
    },
  },
  {
    files: ['packages/*/src/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', noBareErrors, decodedConfigs] },
  },
  {
    files: ['packages/channel/src/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', noBareErrors] },
  },
  {
    files: ['packages/*/src/core/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', noBareErrors, ...impure] },
  },
  {
    files: ['**/test/**/*.ts', 'interop/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts'],
    rules: {
      'max-lines-per-function': 'off',
      'max-lines': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unused-expressions': 'off', // chai: expect(x).to.be.true
      'no-console': 'off',
    },
  },
  {
    files: ['**/*.mjs', '**/*.cjs', '**/*.js'],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'process',
          'console',
          'URL',
          'Buffer',
          'require',
          'module',
          'setTimeout',
          'fetch',
          'clearTimeout',
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
)
