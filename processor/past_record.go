package processor

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/cairnstream/cairn/export"
	ct "github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/identity"
	"github.com/cairnstream/cairn/processor/rule"
)

// EventOf is the event that a row of the lake tells of: all that the record
// held is in its columns. The order of members, the kinds of a few scalars and
// empty objects may differ from what was received.
func EventOf(row *export.EventRow) (*ct.Event, error) {
	var f recordForm
	in, err := f.input(row)
	if err != nil {
		return nil, err
	}
	return in.Event, nil
}

// InputOf is the row of an event as rules see it, with the actor that was known
// when it was written, and without the state of resources.
func InputOf(row *export.EventRow) (*rule.Input, error) {
	var f recordForm
	return f.input(row)
}

// recordForm writes the record of a row. What it returns is valid until the
// next one.
type recordForm struct {
	buf  []byte
	path string // of the object in hand, with a dot at its end; "" for the record
	more map[string][]leftover
	err  error
	in   rule.Input
}

// leftover is a member without a column.
type leftover struct {
	name string
	json []byte
}

func (f *recordForm) input(row *export.EventRow) (*rule.Input, error) {
	f.buf, f.path, f.err = f.buf[:0], "", f.leftovers(row.Extra)
	f.record(row)
	if f.err != nil {
		return nil, fmt.Errorf("event %s: %w", row.EventID, f.err)
	}
	e, err := ct.Parse(f.buf)
	if err != nil {
		return nil, fmt.Errorf("event %s: %w", row.EventID, err)
	}
	f.in = rule.Input{Event: e, Account: rule.Account{Alias: given(row.AccountAlias)},
		Actor: identity.Actor{Root: given(row.ActorRoot), Role: given(row.ActorRole), Session: given(row.ActorSession), Complete: row.ActorComplete}}
	return &f.in, nil
}

func given(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// takenApart are the objects of a record whose members have columns. In the
// column extra their other members stand behind these paths, and a dot further
// on belongs to a name.
var takenApart = []string{ // the longest first
	"userIdentity.sessionContext.webIdFederationData.", "userIdentity.sessionContext.sessionIssuer.", "userIdentity.sessionContext.attributes.",
	"userIdentity.invokedByDelegate.", "userIdentity.sessionContext.", "userIdentity.onBehalfOf.", "userIdentity.inScopeOf.", "userIdentity.", "tlsDetails.", "addendum.",
}

// leftovers sorts the members without a column by the objects they stand in.
func (f *recordForm) leftovers(extra *string) error {
	clear(f.more)
	if extra == nil {
		return nil
	}
	all, err := ct.ParseValue([]byte(*extra))
	if err != nil {
		return fmt.Errorf("column extra: %w", err)
	}
	if f.more == nil {
		f.more = map[string][]leftover{}
	}
	for path, v := range all.Members() {
		object := ""
		for _, o := range takenApart {
			if strings.HasPrefix(path, o) {
				object = o
				break
			}
		}
		f.more[object] = append(f.more[object], leftover{path[len(object):], v.Raw()})
	}
	return nil
}

// object writes a member that is an object, if it is present or has members
// without a column.
func (f *recordForm) object(name string, present bool, members func()) {
	outer := f.path
	f.path += name + "."
	for object := range f.more {
		present = present || strings.HasPrefix(object, f.path)
	}
	if present {
		f.name(name)
		f.members(members)
	}
	f.path = outer
}

// members writes those of the object in hand. Where a column shows a part of
// what stands in extra as a whole, the later one counts.
func (f *recordForm) members(columns func()) {
	f.buf = append(f.buf, '{')
	columns()
	for _, l := range f.more[f.path] {
		f.name(l.name)
		f.buf = append(f.buf, l.json...)
	}
	f.buf = append(f.buf, '}')
}

func (f *recordForm) name(name string) {
	if last := f.buf[len(f.buf)-1]; last != '{' && last != '[' {
		f.buf = append(f.buf, ',')
	}
	f.quote(name)
	f.buf = append(f.buf, ':')
}

func (f *recordForm) quote(s string) {
	var err error
	if f.buf, err = jsontext.AppendQuote(f.buf, s); err != nil && f.err == nil {
		f.err = err
	}
}

// text writes a member that is a string, and json one that is JSON already.
func (f *recordForm) text(name string, v *string) {
	if v != nil {
		f.name(name)
		f.quote(*v)
	}
}

func (f *recordForm) json(name string, v *string) {
	if v != nil {
		f.name(name)
		f.buf = append(f.buf, *v...)
	}
}

// flag writes a member that is a boolean in records.
func (f *recordForm) flag(name string, v *string) {
	if v != nil && (*v == "true" || *v == "false") {
		f.json(name, v)
		return
	}
	f.text(name, v)
}

// record writes the whole record.
func (f *recordForm) record(r *export.EventRow) {
	f.members(func() {
		f.text("eventVersion", r.EventVersion)
		f.user(r.UserIdentity)
		if r.EventTime != "" {
			f.text("eventTime", &r.EventTime)
		}
		f.text("eventSource", r.EventSource)
		f.text("eventName", r.EventName)
		f.text("awsRegion", r.AWSRegion)
		f.text("sourceIPAddress", r.SourceIPAddress)
		f.text("userAgent", r.UserAgent)
		f.text("errorCode", r.ErrorCode)
		f.text("errorMessage", r.ErrorMessage)
		f.json("requestParameters", r.RequestParameters)
		f.json("responseElements", r.ResponseElements)
		f.json("additionalEventData", r.AdditionalEventData)
		f.text("requestID", r.RequestID)
		if !strings.HasPrefix(r.EventID, "sha256:") { // made up for a record without one
			f.text("eventID", &r.EventID)
		}
		f.flag("readOnly", r.ReadOnly)
		f.resources(r.Resources)
		f.text("eventType", r.EventType)
		f.text("apiVersion", r.APIVersion)
		f.flag("managementEvent", r.ManagementEvent)
		f.text("recipientAccountId", r.RecipientAccountID)
		f.json("serviceEventDetails", r.ServiceEventDetails)
		f.text("sharedEventID", r.SharedEventID)
		f.text("vpcEndpointId", r.VPCEndpointID)
		f.text("vpcEndpointAccountId", r.VPCEndpointAccountID)
		f.text("eventCategory", r.EventCategory)
		f.addendum(r.Addendum)
		f.text("sessionCredentialFromConsole", r.SessionCredentialFromConsole)
		f.json("edgeDeviceDetails", r.EdgeDeviceDetails)
		f.tls(r.TLSDetails)
		f.json("insightDetails", r.InsightDetails)
		f.json("eventContext", r.EventContext)
	})
}

func (f *recordForm) user(u *export.UserIdentity) {
	c := or(u)
	f.object("userIdentity", u != nil, func() {
		f.text("type", c.Type)
		f.text("principalId", c.PrincipalID)
		f.text("arn", c.ARN)
		f.text("accountId", c.AccountID)
		f.text("invokedBy", c.InvokedBy)
		f.text("accessKeyId", c.AccessKeyID)
		f.text("userName", c.UserName)
		behalf, delegate, scope := or(c.OnBehalfOf), or(c.InvokedByDelegate), or(c.InScopeOf)
		f.object("onBehalfOf", c.OnBehalfOf != nil, func() {
			f.text("userId", behalf.UserID)
			f.text("identityStoreArn", behalf.IdentityStoreARN)
		})
		f.session(c.SessionContext)
		f.object("invokedByDelegate", c.InvokedByDelegate != nil, func() { f.text("accountId", delegate.AccountID) })
		f.object("inScopeOf", c.InScopeOf != nil, func() {
			f.text("sourceArn", scope.SourceARN)
			f.text("sourceAccount", scope.SourceAccount)
			f.text("issuerType", scope.IssuerType)
			f.text("credentialsIssuedTo", scope.CredentialsIssuedTo)
		})
		f.text("credentialId", c.CredentialID)
		f.text("identityProvider", c.IdentityProvider)
	})
}

func (f *recordForm) session(s *export.SessionContext) {
	c := or(s)
	attributes, issuer, web := or(c.Attributes), or(c.SessionIssuer), or(c.WebIDFederationData)
	f.object("sessionContext", s != nil, func() {
		f.object("attributes", c.Attributes != nil, func() {
			f.text("mfaAuthenticated", attributes.MFAAuthenticated)
			f.text("creationDate", attributes.CreationDate)
		})
		f.object("sessionIssuer", c.SessionIssuer != nil, func() {
			f.text("type", issuer.Type)
			f.text("principalId", issuer.PrincipalID)
			f.text("arn", issuer.ARN)
			f.text("accountId", issuer.AccountID)
			f.text("userName", issuer.UserName)
		})
		f.text("ec2RoleDelivery", c.EC2RoleDelivery)
		f.object("webIdFederationData", c.WebIDFederationData != nil, func() {
			f.text("federatedProvider", web.FederatedProvider)
			f.object("attributes", web.Attributes != nil, func() {
				for _, name := range slices.Sorted(maps.Keys(web.Attributes)) {
					value := web.Attributes[name]
					f.text(name, &value)
				}
			})
		})
		f.text("sourceIdentity", c.SourceIdentity)
		f.text("assumedRoot", c.AssumedRoot)
	})
}

func (f *recordForm) addendum(a *export.Addendum) {
	c := or(a)
	f.object("addendum", a != nil, func() {
		f.text("reason", c.Reason)
		f.text("updatedFields", c.UpdatedFields)
		f.text("originalRequestID", c.OriginalRequestID)
		f.text("originalEventID", c.OriginalEventID)
	})
}

func (f *recordForm) tls(t *export.TLSDetails) {
	c := or(t)
	f.object("tlsDetails", t != nil, func() {
		f.text("tlsVersion", c.TLSVersion)
		f.text("cipherSuite", c.CipherSuite)
		f.text("clientProvidedHostHeader", c.ClientProvidedHostHeader)
	})
}

// resources writes the record's own list of what it touched.
func (f *recordForm) resources(list []*export.EventResource) {
	if list == nil {
		return
	}
	f.name("resources")
	f.buf = append(f.buf, '[')
	for i, r := range list {
		if i > 0 {
			f.buf = append(f.buf, ',')
		}
		if r == nil {
			f.buf = append(f.buf, "null"...)
			continue
		}
		f.buf = append(f.buf, '{')
		f.text("ARN", r.ARN)
		f.text("accountId", r.AccountID)
		f.text("type", r.Type)
		f.buf = append(f.buf, '}')
	}
	f.buf = append(f.buf, ']')
}

// or is what a pointer leads to, or nothing.
func or[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
