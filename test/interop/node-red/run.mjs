/*
 * Node-RED without its editor: node run.mjs USER_DIR FLOWS_FILE. Prints `started` when the flows run.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';

const require = createRequire(import.meta.url);
const runtime = require('@node-red/runtime');
const util = require('@node-red/util');
const [userDir, flowsFile] = process.argv.slice(2);

const settings = {
  userDir,
  flowFile: 'flows.json',
  coreNodesDir: dirname(require.resolve('@node-red/nodes')),
  credentialSecret: false,
  httpAdminRoot: false,
  httpNodeRoot: false,
  telemetry: { enabled: false, updateNotification: false },
  mqttReconnectTime: 500,
  logging: { console: { level: 'info', metrics: false, audit: false } },
  // Of the nodes that come with it, those of MQTT and what connects them.
  nodesExcludes: ['90-exec.js', '28-tail.js', '10-file.js', '23-watch.js', '10-httpin.js'],
};

const server = createServer();
await util.init(settings);
runtime.init(settings, server, undefined);
await runtime.start();
const flows = JSON.parse(readFileSync(flowsFile, 'utf8'));
await runtime.flows.setFlows({ flows: { flows }, deploymentType: 'full' });
console.log('started');
