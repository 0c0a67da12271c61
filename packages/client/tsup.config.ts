import { defineConfig } from 'tsup'
import { library } from '@heddle/config/tsup'

export default defineConfig(library({ index: 'src/index.ts' }))
