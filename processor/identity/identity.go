// Package identity answers who really did it: it resolves the identity of an
// event to its first known principal.
//
// What it can say from the event alone is said here: users, root, AWS
// services, federated people, callers in other accounts, and the role behind
// an assumed-role session. Where the chain does not reach its start, Complete
// is false and Root is the best stable name: the source identity, which AWS
// lets nobody change once it is set, else the ARN of the role. The same name
// stands for a session whose credentials an AWS service fetched, as for a
// machine or a function: there the chain does begin. A session name is chosen
// by the caller, so it is never taken as proof of a person.
package identity

import (
	"strings"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

// Actor is who did it. Empty fields are unknown.
type Actor struct {
	Root     string // the first principal known: an ARN, or a name with a prefix such as "service:" or "web:"
	Role     string // ARN of the role in use
	Session  string // name of the role session
	Via      string // service that made the call on behalf of the root
	Complete bool   // the chain of roles is resolved to its start
}

// console is what invokedBy says when a person acts in the AWS console: not a
// service acting on its own.
const console = "signin.amazonaws.com"

// serviceRoot begins the root of what an AWS service does itself.
const serviceRoot = "service:"

// Resolve tells who did e.
func Resolve(e *cloudtrail.Event) Actor {
	kind := text(e, cloudtrail.IdentityType)
	a := resolve(e, kind)
	if by := text(e, cloudtrail.IdentityInvokedBy); by != "" && by != console && kind != "AWSService" && kind != "" {
		a.Via = by
	}
	return a
}

func resolve(e *cloudtrail.Event, kind string) Actor {
	switch kind {
	case "IAMUser", "Root":
		return Actor{Root: own(e), Complete: true}
	case "SAMLUser":
		return Actor{Root: federated("saml:", e), Complete: true}
	case "WebIdentityUser":
		return Actor{Root: federated("web:", e), Complete: true}
	case "IdentityCenterUser":
		return Actor{Root: center(e), Complete: true}
	case "AssumedRole", "FederatedUser":
		return session(e)
	case "AWSAccount":
		return Actor{Root: "account:" + text(e, cloudtrail.IdentityAccountID) + "/" + text(e, cloudtrail.IdentityPrincipalID)}
	}
	return service(e, kind)
}

// service is the AWS service behind an event of type AWSService, or of no
// type but with invokedBy. Anything else is nobody we know.
func service(e *cloudtrail.Event, kind string) Actor {
	if by := text(e, cloudtrail.IdentityInvokedBy); by != "" && (kind == "AWSService" || kind == "") {
		return Actor{Root: serviceRoot + by, Complete: true}
	}
	return Actor{Root: own(e)}
}

// own is the identity's own name: its ARN, else its principal id.
func own(e *cloudtrail.Event) string {
	if arn := text(e, cloudtrail.IdentityARN); arn != "" {
		return arn
	}
	return text(e, cloudtrail.IdentityPrincipalID)
}

// federated names a person by provider and user, as "saml:<provider>/<user>".
// The provider stands in front of the user in principalId when it has no
// member of its own.
func federated(prefix string, e *cloudtrail.Event) string {
	provider := text(e, cloudtrail.IdentityProvider)
	if provider == "" {
		provider = text(e, cloudtrail.FederatedProvider)
	}
	user := text(e, cloudtrail.IdentityUserName)
	if user == "" || provider == "" {
		return prefix + text(e, cloudtrail.IdentityPrincipalID)
	}
	return prefix + provider + "/" + user
}

func center(e *cloudtrail.Event) string {
	return "idc:" + text(e, cloudtrail.OnBehalfOfStoreARN) + "/" + text(e, cloudtrail.OnBehalfOfUserID)
}

// session resolves a session of a role or of a federated user whose issuing
// call is not known.
func session(e *cloudtrail.Event) Actor {
	a := Actor{Role: text(e, cloudtrail.IssuerARN), Session: sessionName(e)}
	switch {
	case text(e, cloudtrail.OnBehalfOfUserID) != "":
		a.Root, a.Complete = center(e), true
	case text(e, cloudtrail.SourceIdentity) != "":
		a.Root = "source:" + text(e, cloudtrail.SourceIdentity)
	case a.Role != "":
		a.Root = a.Role
	default:
		a.Role = roleOfSession(text(e, cloudtrail.IdentityARN))
		if a.Root = a.Role; a.Root == "" {
			a.Root = own(e)
		}
	}
	return a
}

// sessionName is what stands behind the colon in principalId
// ("AROA…:session"), else the last part of the session's ARN.
func sessionName(e *cloudtrail.Event) string {
	if _, name, ok := strings.Cut(text(e, cloudtrail.IdentityPrincipalID), ":"); ok {
		return name
	}
	arn := text(e, cloudtrail.IdentityARN)
	if i := strings.LastIndexByte(arn, '/'); i >= 0 {
		return arn[i+1:]
	}
	return ""
}

// roleOfSession turns the ARN of a session,
// arn:aws:sts::<account>:assumed-role/<role>/<session>, into that of its role,
// arn:aws:iam::<account>:role/<role>. A path of the role is lost in the
// session's ARN, so this is used only when the event has no issuer.
func roleOfSession(arn string) string {
	const mark = ":assumed-role/"
	i := strings.Index(arn, mark)
	if i < 0 {
		return ""
	}
	role, _, _ := strings.Cut(arn[i+len(mark):], "/")
	return strings.Replace(arn[:i], ":sts:", ":iam:", 1) + ":role/" + role
}

func text(e *cloudtrail.Event, f cloudtrail.Field) string {
	s, _ := e.Text(f)
	return s
}
