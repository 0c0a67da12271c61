#!/usr/bin/env node
import { requireNode } from './required-node.js'

requireNode('heddle', new URL('../package.json', import.meta.url))
await import('../dist/cli.js')
