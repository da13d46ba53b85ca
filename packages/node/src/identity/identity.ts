import type { Broker, DocumentRecord, State } from '@quorate/broker';
import { readSecret } from '../config/authentication.ts';
import type { AuthenticationConfig, JwtConfig, NodeConfig } from '../config/index.ts';
import type { AccessAnswer, AccessQuestion, BanRequest, IdentityAdmin } from '../http/identity-admin.ts';
import type { Metrics } from '../metrics/index.ts';
import { NodeAccess } from './access.ts';
import { testAccess } from './access-test.ts';
import type { GivenRule } from './acl/rules.ts';
import { AnonymousMethod } from './anonymous-method.ts';
import { Attempts } from './attempts.ts';
import { BanAdmin } from './ban-admin.ts';
import type { BanKind } from './bans.ts';
import { CertificateMethod } from './certificate-method.ts';
import { Directory, type DirectoryLog } from './directory.ts';
import { DocumentProposer, type DocumentsBroker } from './document-proposer.ts';
import { FailureLog, type WarningLog } from './failure-log.ts';
import { HookMethod } from './hook-method.ts';
import { fromFile, fromUrl, KeySet } from './jwks.ts';
import { JwtMethod, type TokenKeys } from './jwt-method.ts';
import type { Method } from './method.ts';
import { PasswordMethod } from './password-method.ts';
import { RuleAdmin } from './rule-admin.ts';
import { UserAdmin } from './user-admin.ts';

export interface IdentityOptions {
  readonly config: Pick<NodeConfig, 'authentication' | 'authorization' | 'loginFailures'>;
  readonly log: DirectoryLog & WarningLog;
  readonly metrics: Pick<Metrics, 'authentications' | 'users' | 'aclRules' | 'bans' | 'passwordsWaiting' | 'onScrape'>;
  /** Monotonic, as `BrokerEnvironment.nowMs`. */
  readonly nowMs: () => number;
  readonly wallClockMs: () => number;
}

/** What of the broker it needs. */
export type IdentityBroker = DocumentsBroker & Pick<Broker, 'accessChanged'>;

/**
 * Who may come in to this node and what they may do: the methods of its configuration, and the users, rules and bans of the
 * cluster. Follows the replicated state, and changes it for whoever administers it.
 */
export class Identity {
  readonly directory: Directory;
  readonly access: NodeAccess;
  readonly #options: IdentityOptions;
  #broker: IdentityBroker | null = null;
  #proposer: DocumentProposer | null = null;
  #noticePending = false;

  constructor(options: IdentityOptions) {
    const { config, log, metrics, nowMs } = options;
    this.#options = options;
    this.directory = new Directory(log);
    const methods = methodsOf(options, this.directory);
    this.access = new NodeAccess({
      directory: this.directory,
      methods,
      attempts: new Attempts(config.loginFailures, nowMs),
      failures: new FailureLog(log, nowMs),
      allowsOtherwise: this.#allowsOtherwise,
      count: (method, outcome) => {
        metrics.authentications.add(method, outcome);
      },
    });
    this.#observe(methods);
  }

  get #allowsOtherwise(): boolean {
    return this.#options.config.authorization.default === 'allow';
  }

  #observe(methods: readonly Method[]): void {
    const { metrics } = this.#options;
    const passwords = methods.find((method) => method instanceof PasswordMethod);
    metrics.onScrape(() => {
      metrics.users.value = this.directory.users.size;
      metrics.aclRules.value = this.directory.rules.length;
      metrics.bans.value = this.directory.bans.size;
      metrics.passwordsWaiting.value = passwords?.waiting ?? 0;
    });
  }

  /** Changes can be made from here on, and connections are told of them. */
  attach(broker: IdentityBroker): void {
    this.#broker = broker;
    this.#proposer = new DocumentProposer(broker);
  }

  /** Another state takes the place of the one so far. */
  load(state: Pick<State, 'documents'>): void {
    this.directory.load(state.documents);
    this.#notice();
  }

  /** As `BrokerEvents.onDocumentChanged`. */
  documentChanged(collection: number, name: string, document: DocumentRecord | null): void {
    this.directory.changed(collection, name, document);
    this.#notice();
  }

  /** Connections are looked at once for all changes of a turn. */
  #notice(): void {
    if (this.#noticePending || this.#broker === null) return;
    this.#noticePending = true;
    setImmediate(() => {
      this.#noticePending = false;
      this.#broker?.accessChanged();
    });
  }

  stop(): void {
    this.#proposer?.stop();
  }

  /** For the HTTP API, of a node that is attached. */
  admin(): IdentityAdmin {
    const proposer = this.#proposer;
    if (proposer === null) throw new Error('the identity part is not attached to a broker');
    const change = proposer.change.bind(proposer);
    const { directory } = this;
    const users = new UserAdmin(directory, change);
    const rules = new RuleAdmin(directory, change);
    const bans = new BanAdmin(directory, change, this.#options.wallClockMs);
    return {
      users: (after, limit) => users.list(after, limit),
      addUser: (name, password, superuser) => users.add(name, password, superuser),
      changeUser: (name, changes) => users.change(name, changes),
      removeUser: (name) => users.remove(name),
      rules: (after, limit) => rules.list(after, limit),
      addRule: (rule: GivenRule, position) => rules.add(rule, position),
      removeRule: (id) => rules.remove(id),
      replaceRules: (given) => rules.replace(given),
      testAccess: (question: AccessQuestion): AccessAnswer => testAccess(directory, this.#allowsOtherwise, question),
      bans: (after, limit) => bans.list(after, limit),
      addBan: (request: BanRequest) => bans.add(request),
      removeBan: (kind: BanKind, value) => bans.remove(kind, value),
    };
  }
}

function methodsOf({ config, nowMs, wallClockMs, log }: IdentityOptions, directory: Directory): Method[] {
  const { authentication } = config;
  if (authentication.length === 0) return [new AnonymousMethod(true)];
  return authentication.map((each: AuthenticationConfig, at): Method => {
    switch (each.method) {
      case 'password':
        return new PasswordMethod({ directory });
      case 'jwt':
        return new JwtMethod({ config: each.jwt, keys: keysOf(each.jwt, at, nowMs, log), nowMs, wallClockMs });
      case 'certificate':
        return new CertificateMethod(each.certificate);
      case 'http':
        return new HookMethod({ config: each.http, nowMs });
      case 'anonymous':
        return new AnonymousMethod(authentication.length === 1);
    }
  });
}

function keysOf(
  { keys, refreshSec, minRefetchSec }: JwtConfig,
  at: number,
  nowMs: () => number,
  log: WarningLog,
): TokenKeys {
  if (keys.kind === 'secretFile') {
    return { kind: 'secret', secret: readSecret(keys.path, `authentication.${String(at)}.jwt.secretFile`) };
  }
  const [from, read] = keys.kind === 'jwksUrl' ? [keys.url, fromUrl(keys.url)] : [keys.path, fromFile(keys.path)];
  const set = new KeySet({
    read,
    refreshMs: refreshSec * 1000,
    minIntervalMs: minRefetchSec * 1000,
    nowMs,
    onFailure: (error) => {
      log.warn(
        { err: error, from },
        `the keys of tokens could not be read from ${from}: those of last time go on to count`,
      );
    },
  });
  return { kind: 'public', find: set.find };
}
