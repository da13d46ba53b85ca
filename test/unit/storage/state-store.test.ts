import { levelPlace, memoryPlace } from './harness.ts';
import { stateStoreSuite } from './state-store-suite.ts';

stateStoreSuite('memory', memoryPlace);
stateStoreSuite('LevelDB', levelPlace);
