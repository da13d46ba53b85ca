/** What `quorate user --help` prints. */
export const USER_HELP = `Users who log in with a name and a password. Any node takes a change; all nodes know it a moment later.

Usage:
  quorate user add NAME [--superuser] [--password-file FILE]
  quorate user passwd NAME [--password-file FILE]
  quorate user set NAME --superuser | --no-superuser
  quorate user list
  quorate user remove NAME

  --superuser            access rules do not hold for the user
  --password-file FILE   the password is the one line of FILE; - for standard input
  --url URL              HTTP address of any member (default: http://127.0.0.1:18083, then 18084, 18085)

Without --password-file the password is asked for on a terminal, and read from standard input else. A new password, and
the end of a user, end the connections that were made with the old one.

For users to be asked for, the configuration has \`authentication: [{ method: password }]\`; see docs/security.md.

Examples:
  quorate user add pump-7
  openssl rand -base64 24 | tee pump-7.secret | quorate user add pump-7 --password-file -
`;

/** What `quorate acl --help` prints. */
export const ACL_HELP = `Access rules: who may publish and subscribe to what. The first rule that matches decides.

Usage:
  quorate acl list
  quorate acl add allow|deny publish|subscribe|all TOPIC... [flags]
  quorate acl remove ID
  quorate acl test publish|subscribe TOPIC [--client ID] [--user NAME] [--address IP] [--qos N] [--retain]

  TOPIC               a topic filter; %c is the client id, %u the user name; 'eq a/#' is that subscription alone
  --user NAME         only for this user
  --client ID         only for this client id
  --address IP        only for this address or block (10.0.0.0/8)
  --authenticated     only for clients that have proven a user name
  --anonymous         only for the others
  --qos LIST          only for these: 0,1
  --retain BOOL       only for PUBLISH with RETAIN (true) or without (false)
  --position N        the rule's place, from 0 (default: the end)
  --id ID             its name (default: one is made)
  --url URL           HTTP address of any member (default: http://127.0.0.1:18083, then 18084, 18085)

A subscription is allowed when every topic that its filter matches is. Where no rule matches, the key
authorization.default says what holds. Superusers may do everything.

Examples: each client has a place of its own, all may read what is public, and nothing else
  quorate acl add allow all 'clients/%c/#'
  quorate acl add allow subscribe 'public/#'
  quorate acl add deny all '#'
`;

/** What \`quorate ban --help\` prints. */
export const BAN_HELP = `Bans: client ids, users and addresses that are not let in. Their connections end.

Usage:
  quorate ban add --client ID | --user NAME | --address IP  [--for DURATION | --until TIME] [--reason TEXT]
  quorate ban list
  quorate ban remove --client ID | --user NAME | --address IP

  --address IP     an address, or a block: 10.0.0.0/8, 2001:db8::/32
  --for DURATION   90s, 15m, 12h or 7d (default: until it is removed)
  --until TIME     a time in ISO 8601: 2030-01-31T12:00:00Z
  --reason TEXT    shown in the list
  --url URL        HTTP address of any member (default: http://127.0.0.1:18083, then 18084, 18085)

Example:
  quorate ban add --address 203.0.113.7 --for 12h --reason 'guesses passwords'
`;
