// Who did it: the first identity behind temporary credentials. The calls that
// issue credentials are read beforehand and looked up by event time, so the
// answer does not depend on the order in which files arrive.
import { arnOf, first, get, text } from './read.mjs';

const ISSUING = new Set(['AssumeRole', 'AssumeRoleWithSAML', 'AssumeRoleWithWebIdentity', 'AssumeRoot',
  'GetSessionToken', 'GetFederationToken']);

// Actors resolves the identity of an event to {root, role, via}.
export class Actors {
  constructor(events) {
    this.byKey = new Map();
    this.bySession = new Map();
    const issued = events.filter((e) => e.eventSource === 'sts.amazonaws.com' && ISSUING.has(e.eventName) && !e.errorCode);
    issued.sort((a, b) => Date.parse(a.eventTime) - Date.parse(b.eventTime)).forEach((e) => this.#learn(e));
  }

  #learn(event) {
    const key = first(event, 'responseElements.credentials.accessKeyId');
    if (!key) return;
    const entry = { from: Date.parse(event.eventTime), until: expiry(event), root: this.of(event).root };
    this.byKey.set(key, entry);
    const session = first(event, 'responseElements.assumedRoleUser.assumedRoleId');
    if (session) this.bySession.set(session, [...(this.bySession.get(session) ?? []), entry]);
  }

  of(event) {
    const id = get(event, 'userIdentity') ?? {};
    const type = text(id.type);
    const by = text(id.invokedBy);
    const via = by === undefined || by === 'signin.amazonaws.com' || type === 'AWSService' ? null : by;
    return { root: this.#root(id, type, by, Date.parse(event.eventTime)) ?? null, role: roleOf(id), via };
  }

  #root(id, type, by, at) {
    if (type === 'IAMUser' || type === 'Root') return text(id.arn);
    if (type === 'AWSService' || (type === undefined && by)) return `service:${by}`;
    if (type === 'AWSAccount') return `account:${text(id.accountId)}/${text(id.principalId)}`;
    if (type !== 'AssumedRole' && type !== 'FederatedUser') return text(id.arn) ?? text(id.principalId);
    const entry = this.byKey.get(text(id.accessKeyId)) ?? this.#session(text(id.principalId), at);
    // A service that fetches credentials for its machines says nothing about which machine it was: the role does.
    if (entry && !entry.root?.startsWith('service:')) return entry.root;
    const source = first(id, 'sessionContext.sourceIdentity');
    return source ? `source:${source}` : roleOf(id) ?? text(id.arn);
  }

  #session(principal, at) {
    return (this.bySession.get(principal) ?? []).filter((e) => e.from <= at && at < e.until).pop();
  }
}

// roleOf is the ARN of the role in use, null for other identities.
function roleOf(id) {
  if (text(id.type) !== 'AssumedRole') return null;
  const issuer = first(id, 'sessionContext.sessionIssuer.arn');
  if (issuer) return issuer;
  const arn = arnOf(text(id.arn));
  const name = arn && /^assumed-role\/([^/]+)\//.exec(arn.rest)?.[1];
  return name ? `arn:${arn.partition}:iam::${arn.account}:role/${name}` : null;
}

// expiry reads "Jun 1, 2017 11:28:31 PM", with or without a comma after the year,
// as UTC; without it the duration asked for, else one hour.
function expiry(event) {
  const said = first(event, 'responseElements.credentials.expiration');
  const words = said?.replace(/\u202f/g, ' ').replace(/(\d{4}),/, '$1');
  const at = words && Date.parse(/[TZ]/.test(words) ? words : `${words} UTC`);
  if (at) return at;
  return Date.parse(event.eventTime) + Number(first(event, 'requestParameters.durationSeconds') ?? 3600) * 1000;
}
