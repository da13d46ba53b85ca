/** What `quorate help` prints. */
export const HELP = `Quorate: an MQTT broker that runs as three or five nodes and behaves as one

Usage:
  quorate start   run one node
  quorate dev     run a whole cluster on this machine, to try it or to develop against it
  quorate status  show the cluster as a table
  quorate version
  quorate help [COMMAND]

Examples:
  quorate dev
  quorate status --url http://127.0.0.1:18084
  quorate start --node-id n1 --data-dir /var/lib/quorate \\
     --mqtt 127.0.0.1:1883 --http 127.0.0.1:18083 --peer 127.0.0.1:7001 \\
     --cluster n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003

\`quorate start --help\` lists every configuration key.
Exit codes: 0 done, 1 failed, 2 command line not understood.
`;

/** What `quorate dev --help` prints. */
export const DEV_HELP = `Runs a cluster on loopback until Ctrl-C. Data and logs stay for the next time.

Usage: quorate dev [flags]

  --nodes N         how many nodes, 1 to 7 (default 3)
  --data-dir DIR    where data and logs go (default .quorate/dev)
  --fresh           forget the data of the last time
  --verbose         show the logs of all nodes here
  --mqtt-port N     MQTT port of the first node, the others follow (default 1883)
  --http-port N     HTTP port of the first node (default 18083)
  --peer-port N     peer port of the first node (default 7001)

QUORATE_* environment variables reach every node: QUORATE_LOG__LEVEL=debug quorate dev
`;

/** What `quorate status --help` prints. */
export const STATUS_HELP = `Shows the cluster as a table. Any node answers for all.

Usage: quorate status [--url URL]

  --url URL   HTTP address of a node (default: http://127.0.0.1:18083, then 18084, 18085)
`;

/** What stands above the list of keys in `quorate start --help`. */
export const START_HELP = `Runs one node in the foreground. SIGTERM or Ctrl-C stops it cleanly, a second one at once.

Usage: quorate start --node-id ID --data-dir DIR --mqtt HOST:PORT --http HOST:PORT --peer HOST:PORT
                     --cluster n1=HOST:PORT,n2=HOST:PORT,n3=HOST:PORT [--config FILE]

  --config FILE   YAML file with any of the keys below, nested at the dots (also: environment QUORATE_CONFIG)

Flags beat environment beats file. Every key is an environment variable too: limits.maxConnections is
QUORATE_LIMITS__MAX_CONNECTIONS.

Keys:
`;
