/** What `quorate help` prints. */
export const HELP = `Quorate: an MQTT broker that runs as three or five nodes and behaves as one

Usage:
  quorate start            run one node
  quorate dev              run a whole cluster on this machine, to try it or to develop against it
  quorate status           show the cluster as a table
  quorate join             admit a node to a running cluster: grow it, or replace a dead node
  quorate remove           take a node out of a running cluster
  quorate transfer-leader  let another node lead
  quorate settings         show or change what the whole cluster goes by
  quorate user             users and their passwords
  quorate acl              who may publish and subscribe to what
  quorate ban              clients, users and addresses that are kept out
  quorate version
  quorate help [COMMAND]

Examples:
  quorate dev
  quorate status --url http://127.0.0.1:18084
  quorate join n4=127.0.0.1:7004
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

/** What `quorate join --help` prints. */
export const JOIN_HELP = `Admits a node to a running cluster. The node must run already, and is dialled at HOST:PORT.

It becomes a learner at once, and a voter by itself once it has caught up. Clients are served all the while.

Usage: quorate join ID=HOST:PORT [flags]

  ID=HOST:PORT       the new node: its --node-id and its --peer address
  --url URL          HTTP address of any member (default: http://127.0.0.1:18083, then 18084, 18085)
  --learner          it stays a learner: serves clients, has no vote
  --replaces ID      that member leaves in the change that makes the new one a voter (not with --learner)
  --no-wait          end when it is accepted, instead of when it is a voter
  --timeout-sec N    how long to wait for that (default 300); it goes on afterwards all the same

Grow from three nodes to five, first one, then the other. A new node runs with the --cluster of the others:
  quorate start --node-id n4 --data-dir /var/lib/quorate --peer 10.0.0.4:7001 \\
     --mqtt 10.0.0.4:1883 --http 10.0.0.4:18083 --config quorate.yaml \\
     --cluster n1=10.0.0.1:7001,n2=10.0.0.2:7001,n3=10.0.0.3:7001
  quorate join n4=10.0.0.4:7001 --url http://10.0.0.1:18083
and the same for n5.

Replace n3, whose machine is gone, by n4 on another one:
  quorate join n4=10.0.0.4:7001 --replaces n3

A node that lost its data directory needs no join when it starts again under its old id and address: the
cluster takes it back by itself.
`;

/** What `quorate remove --help` prints. */
export const REMOVE_HELP = `Takes a member out of a running cluster, whether it runs or not. If it leads, it hands over first.

Usage: quorate remove ID [--url URL]

  --url URL   HTTP address of any member (default: http://127.0.0.1:18083, then 18084, 18085)

Shrink from five nodes to three: remove one, stop it, then the other. Its clients go elsewhere when it stops.
  quorate remove n5
  quorate remove n4

To put another node in the place of a dead one, use \`quorate join --replaces\`: it is one change instead of two.
`;

/** What `quorate transfer-leader --help` prints. */
export const TRANSFER_LEADER_HELP = `Lets another node lead, for example before work on the leader's machine.

Usage: quorate transfer-leader [--to ID] [--url URL]

  --to ID     the next leader (default: the one with most of the log)
  --url URL   HTTP address of any member (default: http://127.0.0.1:18083, then 18084, 18085)

Example:
  quorate transfer-leader --to n2
`;

/** What `quorate settings --help` prints. */
export const SETTINGS_HELP = `Shows the settings of the cluster, or changes some. They hold on all nodes at once, and outlive restarts.

Usage: quorate settings [KEY=VALUE ...] [--url URL]

  --url URL   HTTP address of any member (default: http://127.0.0.1:18083, then 18084, 18085)

Settings:
  sharedSubscriptionStrategy   who of the members of a shared subscription gets a message:
                                 round_robin     each in turn (default)
                                 sticky          the same one while it is connected and keeps up
                                 hash_client_id  by the publisher: its messages stay in order
                                 hash_topic      by the topic: its messages stay in order
  fullQueuePolicy              what a full queue gives up while its client is away:
                                 drop_newest     what comes (default)
                                 drop_oldest     what waits longest and was not sent
  sessions                     connected or not
  queuedMessagesPerSession     messages of QoS 1 and 2 that a kept session has to get
  queuedBytesPerSession        their topics, payloads and properties
  sharedInflightPerSession     shared messages that a client has not acknowledged
  queuedMessagesPerGroup       messages that a share group keeps
  queuedBytesPerGroup          their topics, payloads and properties
  retainedMessages             in the whole cluster
  retainedBytes                their topics, payloads and properties
  documentsPerCollection       users; bans

A limit that is lowered drops nothing that is there: it refuses what comes next. docs/limits.md has defaults and ranges.

Examples:
  quorate settings sharedSubscriptionStrategy=hash_topic
  quorate settings queuedMessagesPerSession=10000 fullQueuePolicy=drop_oldest
`;

/** What stands above the list of keys in `quorate start --help`. */
export const START_HELP = `Runs one node in the foreground. SIGTERM or Ctrl-C stops it cleanly, a second one at once. SIGHUP reads certificates again.

Usage: quorate start --node-id ID --data-dir DIR --mqtt HOST:PORT --http HOST:PORT --peer HOST:PORT
                     --cluster n1=HOST:PORT,n2=HOST:PORT,n3=HOST:PORT [--config FILE]

  --config FILE   YAML file with any of the keys below, nested at the dots (also: environment QUORATE_CONFIG)

--cluster names the nodes that found the cluster, the same on each of them. A node whose --node-id is not in it
founds nothing: it listens at --peer (then required) and waits until \`quorate join ID=HOST:PORT\` has the
cluster admit it. Later it starts with the same command again. Another list changes nothing in a cluster
that exists: members come and go by \`quorate join\` and \`quorate remove\`.

Flags beat environment beats file. Every key is an environment variable too: limits.maxConnections is
QUORATE_LIMITS__MAX_CONNECTIONS.

Keys:
`;
