// Preloaded into the emulators (`node --import`): they would listen on every interface and on ports of their own choice, and live on
// after a killed test. Here each server gets a free port of the loopback interface and says so on standard output, one line each:
//
//   cairn-listening {"wanted":4567,"port":40123}
//
// The process ends when its standard input does, so with the process that started it.
import net from 'node:net'

const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (...args) {
  const wanted = typeof args[0] === 'object' ? args[0].port : args[0]
  const done = args.findLast(a => typeof a === 'function')
  this.once('listening', () => console.log(`cairn-listening ${JSON.stringify({ wanted: Number(wanted), port: this.address().port })}`))
  return listen.call(this, { host: '127.0.0.1', port: 0 }, done)
}

// Some of them throw when a client goes away in the middle of a request, as one does that is killed.
process.on('uncaughtException', error => {
  if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return
  console.error(error)
  process.exit(1)
})

process.stdin.on('close', () => process.exit(0)).resume()
