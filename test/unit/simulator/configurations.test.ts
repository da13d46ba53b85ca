import { type Configuration, encodeConfiguration } from '@quorate/consensus';
import { Configurations } from '@quorate/simulator';
import { assert, suite } from '../../support/suite.ts';

const test = suite('simulator: configurations');

/** Voters as `name@tag`, those that are on their way out behind them. */
function of(voters: readonly string[], outgoing: readonly string[] = []): Configuration {
  const name = (key: string): string => key.split('@')[0] ?? '';
  const memberTags = Object.fromEntries([...outgoing, ...voters].map((key) => [name(key), key.split('@')[1] ?? '']));
  return { voters: voters.map(name), learners: [], outgoing: outgoing.map(name), memberTags };
}

const FIRST = of(['n1@a', 'n2@b', 'n3@c']);

function founded(): Configurations {
  const configurations = new Configurations([]);
  configurations.founded('n1', encodeConfiguration(FIRST));
  return configurations;
}

test('changes whose quorums meet are safe', () => {
  const configurations = founded();
  configurations.committed(5, of(['n1@a', 'n2@b', 'n3@c', 'n4@d'], ['n1@a', 'n2@b', 'n3@c']));
  configurations.committed(6, of(['n1@a', 'n2@b', 'n3@c', 'n4@d']));
  configurations.committed(9, of(['n1@a', 'n2@b', 'n3@c'], ['n1@a', 'n2@b', 'n3@c', 'n4@d']));
  assert.is(configurations.changes, 3);
  assert.equal(configurations.at(7)?.voters, ['n1', 'n2', 'n3', 'n4']);
  assert.equal(configurations.at(4), configurations.at(0));
});

test('two changes at once whose quorums need not meet are not', () => {
  assert.throws(() => founded().committed(5, of(['n1@a', 'n4@d', 'n5@e'])), /quorums that do not meet/);
});

function heldBy(...keys: string[]): (id: string, directoryId: string) => boolean {
  return (id, directoryId) => keys.includes(`${id}@${directoryId}`);
}

test('a voter with another data directory is another voter', () => {
  // The old n1 and n3 are a majority, and so are the new n1 and n2.
  assert.throws(() => founded().committed(5, of(['n1@x', 'n2@b', 'n3@c'])), /quorums that do not meet/);
  const configurations = founded();
  assert.ok(configurations.isQuorum(FIRST, heldBy('n1@a', 'n2@b')));
  assert.not.ok(configurations.isQuorum(FIRST, heldBy('n1@x', 'n2@b')));
});

test('there is one cluster', () => {
  const configurations = founded();
  configurations.clusterNamed('n1', 'c');
  configurations.clusterNamed('n2', 'c');
  assert.throws(() => configurations.clusterNamed('n3', 'd'), /there is c already/);
});

test.run();
