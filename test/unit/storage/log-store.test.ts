import { levelPlace, memoryPlace } from './harness.ts';
import { logStoreSuite } from './log-store-suite.ts';

logStoreSuite('memory', memoryPlace);
logStoreSuite('LevelDB', levelPlace);
