// Stands in for a node: answers /readyz with 503, twice, and then with 200; ends on SIGTERM. Knows no MQTT.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';

const args = process.argv.slice(2);
const option = (name) => args[args.indexOf(name) + 1];
const dataDir = option('--data-dir');
const [address, port] = option('--http').split(':');
const failing = existsSync(join(dirname(dirname(dataDir)), 'fail'));
if (failing && option('--node-id') === 'n2') {
  console.log('some log line');
  console.error('--peer 127.0.0.1:1 is not to my taste');
  process.exit(1);
}
mkdirSync(dataDir);
let asked = 0;
createServer((request, response) => {
  response.statusCode = request.url === '/readyz' && asked++ >= 2 ? 200 : 503;
  response.end();
}).listen(Number(port), address);
process.on('SIGTERM', () => {
  writeFileSync(join(dirname(dirname(dataDir)), option('--node-id')), args.join(' '));
  process.exit(0);
});
