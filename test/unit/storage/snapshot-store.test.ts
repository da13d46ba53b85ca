import { levelPlace, memoryPlace } from './harness.ts';
import { receiverSuite } from './snapshot-receiver-suite.ts';
import { snapshotStoreSuite } from './snapshot-store-suite.ts';

snapshotStoreSuite('memory', memoryPlace);
snapshotStoreSuite('disk', levelPlace);
receiverSuite('memory', memoryPlace);
receiverSuite('disk', levelPlace);
