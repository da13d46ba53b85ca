import { newPeerCounters, PeerTransport } from '@quorate/node';

/** Runs node n2 with n1 on the port given, tells its parent its own port, and waits to be killed. */
const nothing = (): void => undefined;
const transport = new PeerTransport({
  nodeId: 'n2',
  listen: { host: '127.0.0.1', port: 0 },
  peers: new Map([['n1', [{ host: '127.0.0.1', port: Number(process.argv[2]) }]]]),
  identity: () => ({
    clusterId: '',
    bootstrapMembers: 'n1,n2,n3',
    directoryId: '',
    incarnation: '1',
    founded: true,
    peerAddress: '',
    httpAddress: '',
    mqttAddress: '',
  }),
  counters: newPeerCounters(),
  logger: { debug: nothing, info: nothing, warn: nothing, error: nothing },
  handlers: {
    onRaft: nothing,
    onNodeMessage: nothing,
    onConnected: nothing,
    onDisconnected: nothing,
    onUnreachable: nothing,
    onRejected: nothing,
  },
});
const { port } = await transport.start();
process.send?.(port);
process.on('disconnect', () => process.exit());
