// `npm start [-- flags]`: installs, builds and runs `heddle network up [flags]`.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { install, pnpm } from './with-pnpm.mjs'

install()
const built = pnpm(['turbo', 'run', 'build', '--filter=@heddle/peer', '--output-logs=errors-only'])
if (built !== 0) process.exit(built)

const cli = fileURLToPath(new URL('../packages/peer/bin/heddle.js', import.meta.url))
const child = spawn(process.execPath, [cli, 'network', 'up', ...process.argv.slice(2)], {
  stdio: 'inherit',
})
// Ctrl-C reaches the whole terminal group; a signal sent to this process alone is passed on.
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
process.on('SIGINT', () => undefined)
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))
