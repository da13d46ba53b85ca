import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FixedBroker, FixedCluster, type FixedOptions } from './fixed.ts';

const PORT = 1_883;

const BROKER: FixedBroker = {
  description: 'Mosquitto, a single node, state written to disk after each change',
  features: {
    qos2: true,
    retained: true,
    sessionsOnAnyNode: true,
    sharedSubscriptions: true,
    wills: true,
    messageExpiry: true,
    membership: false,
    leadershipTransfer: false,
  },
  mqttPort: PORT,
  oneByOneMs: 0,
  configure: ({ address, dataDir, folder }) => {
    const file = join(folder, 'mosquitto.conf');
    const lines = [
      `listener ${String(PORT)} ${address}`,
      'allow_anonymous true',
      'max_queued_messages 0',
      'persistence true',
      `persistence_location ${dataDir}/`,
      // Each change is written, and not only every half hour: the safest that it has.
      'autosave_on_changes true',
      'autosave_interval 1',
      // It would give root up, and could then not write to a directory of root.
      ...(process.getuid?.() === 0 ? ['user root'] : []),
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    return { command: ['mosquitto', '-c', file] };
  },
};

/** A single Mosquitto. @throws unless there is one member */
export function mosquitto(options: FixedOptions): FixedCluster {
  if (options.members.length !== 1) throw new Error('Mosquitto is a single node: name one host');
  return new FixedCluster(BROKER, options);
}
