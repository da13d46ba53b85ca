import { createLogger } from '@quorate/node';
import { assert, suite } from '../../../support/suite.ts';

const test = suite('logging');

function setUp(level: 'info' | 'debug', pretty: 'auto' | boolean) {
  const lines: string[] = [];
  const logger = createLogger(
    { nodeId: 'n1', log: { level, pretty } },
    { write: (line: string) => void lines.push(line) },
  );
  return { logger, lines };
}

test('writes JSON lines with the level as a word, ISO time and the node', () => {
  const { logger, lines } = setUp('info', 'auto');
  logger.child({ component: 'raft' }).warn({ term: 3 }, 'lost the leader');
  const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  assert.match(String(line['time']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.equal(
    { ...line, time: '' },
    { level: 'warn', time: '', node: 'n1', component: 'raft', term: 3, msg: 'lost the leader' },
  );
});

test('keeps to the level', () => {
  const { logger, lines } = setUp('info', 'auto');
  logger.debug('no');
  logger.info('yes');
  assert.is(lines.length, 1);
});

test('writes for people when asked to', () => {
  const { logger, lines } = setUp('debug', true);
  logger.debug('hello');
  assert.match(lines.join(''), /DEBUG: n1 hello\n$/);
});

test.run();
