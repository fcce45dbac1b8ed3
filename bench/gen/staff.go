package gen

import (
	"fmt"
	"time"
)

// company is the invented organisation's name and domain.
const (
	company = "larkfield"
	domain  = "larkfield.example"
)

// staff are the principals of one account.
type staff struct {
	users    []*user          // IAM users
	people   []*person        // people of the office, who come by single sign-on
	roles    map[string]*role // by name
	sessions map[string]*caller
}

type user struct {
	name, id, key string
	ip, agent     string
	mfa           bool
}

type person struct {
	name, ip, agent string
	permission      string // name of the permission set
}

type role struct{ name, path, id string }

var names = []string{"amara", "bjorn", "chen", "dalia", "emeka", "freya", "goran", "hana", "ines", "jonas", "kofi", "leila",
	"mateo", "nadia", "oskar", "priya", "quentin", "rosa", "sami", "tove"}

var browsers = []string{
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:147.0) Gecko/20100101 Firefox/147.0",
	"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36",
}

const (
	cliAgent       = "aws-cli/2.33.4 md/awscrt#0.31.0 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.13.9 md/pyimpl#CPython cfg/retry-mode#standard"
	sdkAgent       = "aws-sdk-go-v2/1.41.1 ua/2.1 os/linux lang/go#1.26.0 md/GOOS#linux md/GOARCH#arm64 exec-env/AWS_ECS_FARGATE"
	lambdaAgent    = "Boto3/1.42.20 md/Botocore#1.42.20 ua/2.1 os/linux#5.10 md/arch#x86_64 lang/python#3.13.9 exec-env/AWS_Lambda_python3.13"
	terraformAgent = "APN/1.0 HashiCorp/1.0 Terraform/1.14.3 (+https://www.terraform.io) terraform-provider-aws/6.28.0 (+https://registry.terraform.io/providers/hashicorp/aws)"
	ssmAgent       = "aws-sdk-go/1.55.8 (go1.24.9; linux; amd64) amazon-ssm-agent/3.3.3050.0"
)

// hire fills the account's staff: two or three IAM users, six people of the office, and the roles of its programs.
func (w *world) hire() {
	w.roles, w.sessions = map[string]*role{}, map[string]*caller{}
	first := w.account.index / len(kinds) * 7
	for i := range 6 {
		name := names[(first+i)%len(names)]
		p := &person{name: name, ip: fmt.Sprintf("203.0.113.%d", 10+(first+i)%200), agent: browsers[i%len(browsers)], permission: "Developer"}
		if i < 2 {
			p.permission = "AdministratorAccess"
		}
		w.staff.people = append(w.staff.people, p)
	}
	for _, name := range []string{"build-legacy", "reports", w.staff.people[0].name} {
		w.users = append(w.users, &user{name: name, id: userID(w.rng), key: longKey(w.rng), ip: "203.0.113.5", agent: cliAgent, mfa: name == w.staff.people[0].name})
	}
	for _, name := range []string{"web-instance", "orders-task", "github-deploy", "auditor", "etl-job"} {
		w.role(name, "/")
	}
}

// role returns the role of a name, made when it is first asked for.
func (w *world) role(name, path string) *role {
	r, ok := w.roles[name]
	if !ok {
		r = &role{name: name, path: path, id: roleID(w.rng)}
		w.roles[name] = r
	}
	return r
}

func (w *world) roleARN(r *role) string { return w.iam("role" + r.path + r.name) }

// byKey is a user's long-lived key.
func (w *world) byKey(u *user) *caller {
	arn := w.iam("user/" + u.name)
	return &caller{
		identity:  obj("type", "IAMUser", "principalId", u.id, "arn", arn, "accountId", w.account.id, "accessKeyId", u.key, "userName", u.name),
		principal: u.id, arn: arn, key: u.key, ip: u.ip, agent: u.agent,
	}
}

// service is a service that acts by itself.
func service(name string) *caller {
	host := name + ".amazonaws.com"
	return &caller{identity: obj("type", "AWSService", "invokedBy", host), ip: host, agent: host, plain: true}
}

// session builds the caller of a role session with the access key that AssumeRole returned.
func (w *world) session(r *role, name, key string, mfa bool, via string) *caller {
	c := &caller{principal: r.id + ":" + name, key: key, ip: "198.18.0.1", agent: sdkAgent, expires: w.now.Add(time.Hour)}
	c.arn = "arn:aws:sts::" + w.account.id + ":assumed-role/" + r.name + "/" + name
	issuer := obj("type", "Role", "principalId", r.id, "arn", w.roleARN(r), "accountId", w.account.id, "userName", r.name)
	context := obj("sessionIssuer", issuer, "attributes", obj("creationDate", w.now.Format(stamp), "mfaAuthenticated", yes(mfa)))
	pairs := []any{"type", "AssumedRole", "principalId", c.principal, "arn", c.arn, "accountId", w.account.id, "accessKeyId", key, "sessionContext", context}
	if via != "" {
		host := via + ".amazonaws.com"
		pairs = append(pairs, "invokedBy", host)
		c.ip, c.agent, c.plain = host, host, true
	}
	c.identity = obj(pairs...)
	return c
}

func yes(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// workload returns the session of a program that runs in a service: the service assumes the role, and the program uses the
// session for an hour. The name of the session is the instance, function or task.
func (w *world) workload(by, roleName, session string) *caller {
	id := roleName + "/" + session
	if c := w.sessions[id]; c != nil && w.now.Before(c.expires) {
		return c
	}
	r := w.role(roleName, "/")
	key := sessionKey(w.rng)
	w.assume(service(by), "AssumeRole", r, session, key)
	c := w.session(r, session, key, false, "")
	c.ip = fmt.Sprintf("198.18.%d.%d", w.account.index%250, 1+w.rng.IntN(250))
	w.sessions[id] = c
	return c
}

// linked returns the session of a service-linked role, as which a service acts inside the account.
func (w *world) linked(by, name string) *caller {
	id := "linked/" + name
	if c := w.sessions[id]; c != nil && w.now.Before(c.expires) {
		return c
	}
	r := w.role(name, "/aws-service-role/"+by+".amazonaws.com/")
	key := sessionKey(w.rng)
	w.assume(service(by), "AssumeRole", r, name[len("AWSServiceRoleFor"):], key)
	c := w.session(r, name[len("AWSServiceRoleFor"):], key, false, by)
	w.sessions[id] = c
	return c
}

// assume emits the call that makes a session of one hour and holds its access key.
func (w *world) assume(by *caller, name string, r *role, session, key string) {
	params := obj("roleArn", w.roleARN(r), "roleSessionName", session, "durationSeconds", 3600)
	user := obj("assumedRoleId", r.id+":"+session, "arn", "arn:aws:sts::"+w.account.id+":assumed-role/"+r.name+"/"+session)
	w.emit(call{by: by, source: "sts", name: name, read: true, params: params,
		response:  obj("credentials", w.credentials(key, 3600), "assumedRoleUser", user),
		resources: []raw{onResource(w.account.id, "AWS::IAM::Role", w.roleARN(r))}, shared: uuid(w.rng)})
}

func (w *world) credentials(key string, seconds int) raw {
	return obj("accessKeyId", key, "sessionToken", "HIDDEN_DUE_TO_SECURITY_REASONS",
		"expiration", w.now.Add(time.Duration(seconds)*time.Second).Format(stampWords))
}

// desk returns the console session of somebody from the office. Without a valid one the person signs in first.
func (w *world) desk(p *person) *caller {
	id := "desk/" + p.name
	if c := w.sessions[id]; c != nil && w.now.Before(c.expires) {
		return c
	}
	r := w.role("AWSReservedSSO_"+p.permission+"_"+hex(w.rng, 16), "/aws-reserved/sso.amazonaws.com/"+w.region+"/")
	if old := w.roles["sso:"+p.permission]; old != nil {
		r = old
	}
	w.roles["sso:"+p.permission] = r
	name := p.name + "@" + domain
	key := sessionKey(w.rng)
	provider := w.iam("saml-provider/AWSSSO_" + "3f8c1d2a90b7e654_DO_NOT_DELETE")
	saml := &caller{identity: obj("type", "SAMLUser", "principalId", "h7Qp2k9Vd0="+":"+name, "userName", name, "identityProvider", "h7Qp2k9Vd0="), ip: p.ip, agent: p.agent}
	params := obj("principalArn", provider, "roleArn", w.roleARN(r), "roleSessionName", name, "durationSeconds", 14400)
	user := obj("assumedRoleId", r.id+":"+name, "arn", "arn:aws:sts::"+w.account.id+":assumed-role/"+r.name+"/"+name)
	w.emit(call{by: saml, source: "sts", name: "AssumeRoleWithSAML", read: true, params: params,
		response:  obj("credentials", w.credentials(key, 14400), "assumedRoleUser", user, "subject", name, "subjectType", "persistent", "issuer", "https://portal.sso."+w.region+".amazonaws.com/saml/assertion"),
		resources: []raw{onResource(w.account.id, "AWS::IAM::Role", w.roleARN(r)), onResource(w.account.id, "AWS::IAM::SAMLProvider", provider)}})
	c := w.session(r, name, key, true, "")
	c.ip, c.agent, c.console, c.expires = p.ip, p.agent, true, w.now.Add(4*time.Hour)
	w.sessions[id] = c
	w.emit(call{by: c, source: "signin", name: "ConsoleLogin", kind: "AwsConsoleSignIn", response: obj("ConsoleLogin", "Success"),
		extra: obj("MobileVersion", "No", "MFAUsed", "No", "SamlProviderArn", provider)})
	return c
}

// anyone returns the session of some person of the office.
func (w *world) anyone() *caller { return w.desk(pick(w.rng, w.staff.people...)) }

// admin returns the session of an administrator.
func (w *world) admin() *caller { return w.desk(w.staff.people[w.rng.IntN(2)]) }

// pipeline returns the session of the build service, which proves itself with a token of its identity provider.
func (w *world) pipeline() *caller {
	if c := w.sessions["pipeline"]; c != nil && w.now.Before(c.expires) {
		return c
	}
	r := w.role("github-deploy", "/")
	repo := company + "/" + w.account.kind
	web := &caller{identity: obj("type", "WebIdentityUser", "principalId", "arn:aws:iam::"+w.account.id+":oidc-provider/token.actions.githubusercontent.com:sts.amazonaws.com:repo:"+repo+":ref:refs/heads/main",
		"userName", "repo:"+repo+":ref:refs/heads/main", "identityProvider", w.iam("oidc-provider/token.actions.githubusercontent.com")),
		ip: fmt.Sprintf("198.19.%d.%d", w.rng.IntN(16), 1+w.rng.IntN(250)), agent: sdkAgent}
	key := sessionKey(w.rng)
	name := "deploy-" + hex(w.rng, 8)
	w.assume(web, "AssumeRoleWithWebIdentity", r, name, key)
	c := w.session(r, name, key, false, "")
	c.ip, c.agent = web.ip, terraformAgent
	w.sessions["pipeline"] = c
	return c
}
