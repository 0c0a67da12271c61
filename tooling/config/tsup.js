/** The one way in which every package is built: ESM, types, source maps. */
export const library = (entry = { index: 'src/index.ts' }) => ({
  entry,
  format: ['esm'],
  target: 'node20',
  platform: 'node',
  sourcemap: true,
  clean: true,
  splitting: true,
  treeshake: true,
  dts: {
    // Since TypeScript 6 a program takes no types but those that something names.
    banner: '/// <reference types="node" />',
    // tsup 8 passes `baseUrl`, which TypeScript 6 reports as deprecated.
    compilerOptions: { ignoreDeprecations: '6.0' },
  },
})
