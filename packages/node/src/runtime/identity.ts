/** Who this node is, durably: the data directory, or a simulated one. */
export interface Identity {
  readonly incarnation: number;
  /** Names this data directory and no other, also none of the same node. */
  readonly directoryId: string;
  readonly clusterId: string | null;
  /** Begins another incarnation, one that is not less than `atLeast`. */
  nextIncarnation(atLeast?: number): Promise<number>;
  setClusterId(clusterId: string): Promise<void>;
  /** Keeps the first configuration of the cluster. */
  setFounding(configuration: Uint8Array): Promise<void>;
  /** What this node holds is not to be trusted, at the next start neither. */
  doubt(reason: string): Promise<void>;
  /** Data of an earlier time, when this node had a vote, is kept aside. */
  readonly hasSetAside: boolean;
  dropSetAside(): Promise<void>;
}

/** What a node says of itself to its peers, beside names and addresses. */
export interface SelfDescription {
  readonly clusterId: string;
  readonly directoryId: string;
  readonly incarnation: string;
  readonly founded: boolean;
}

/**
 * The cluster lets this node in anew although its data directory is in doubt: what it has is to be set aside, and the node
 * started again.
 */
export class Readmitted extends Error {
  readonly code = 'READMITTED';
  /** Under which it was let in: the data directory gets it. */
  readonly directoryId: string;

  constructor(directoryId: string) {
    super('the cluster takes this node in anew: what its data directory held is set aside, and it starts from nothing');
    this.name = 'Readmitted';
    this.directoryId = directoryId;
  }
}
