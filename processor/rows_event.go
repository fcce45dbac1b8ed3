package processor

import (
	"slices"
	"unsafe"

	ct "github.com/cairnstream/cairn/processor/cloudtrail"

	"github.com/cairnstream/cairn/export"
)

// rowForm is the scratch in which the row of an event is built. The row points
// into it and into the event, so that a row costs no allocation; the buffer
// encodes it at once.
type rowForm struct {
	text  [ct.NumFields]string
	blobs [ct.NumBlobs]string

	row        export.EventRow
	identity   export.UserIdentity
	session    export.SessionContext
	attributes export.SessionAttributes
	issuer     export.SessionIssuer
	web        export.WebIDFederationData
	behalf     export.OnBehalfOf
	delegate   export.InvokedByDelegate
	scope      export.InScopeOf
	tls        export.TLSDetails
	addendum   export.Addendum
	resources  []export.EventResource
	listed     []*export.EventResource
	named      []string // members of resources
	extra      string
	actor      [3]string
	alias      string
}

// addEvent makes the row of an event.
func (s *Shard) addEvent(e *ct.Event, p *place, findings []string) error {
	f := &s.form
	f.members(e)
	r := &f.row
	r.EventTS, r.ArrivalTS = e.Time.UnixMilli(), p.item.Arrival.UnixMilli()
	r.Late = p.late
	f.alias = p.account.Alias
	r.AccountAlias = known(&f.alias)
	f.actor = [3]string{p.actor.Root, p.actor.Role, p.actor.Session}
	r.ActorRoot, r.ActorRole, r.ActorSession = known(&f.actor[0]), known(&f.actor[1]), known(&f.actor[2])
	r.ActorComplete = p.actor.Complete
	r.FindingIDs = findings
	r.Shard, r.Sequence, r.Ordinal = s.cfg.Shard, p.item.Sequence, p.item.Ordinal
	s.counts.Rows++
	return s.rows.AddEvent(p.day, r)
}

// members fills in what the record says.
func (f *rowForm) members(e *ct.Event) {
	t := func(field ct.Field) *string { return f.scalar(e, field) }
	b := func(blob ct.Blob) *string { return f.blob(e, blob) }
	f.row = export.EventRow{
		EventVersion: t(ct.EventVersion), UserIdentity: f.user(e), EventSource: t(ct.EventSource), EventName: t(ct.EventName),
		AWSRegion: t(ct.AWSRegion), SourceIPAddress: t(ct.SourceIPAddress), UserAgent: t(ct.UserAgent),
		ErrorCode: t(ct.ErrorCode), ErrorMessage: t(ct.ErrorMessage), RequestParameters: b(ct.RequestParameters),
		ResponseElements: b(ct.ResponseElements), AdditionalEventData: b(ct.AdditionalEventData), RequestID: t(ct.RequestID),
		EventID: e.ID, ReadOnly: t(ct.ReadOnly), Resources: f.list(e), EventType: t(ct.EventType), APIVersion: t(ct.APIVersion),
		RecipientAccountID: t(ct.RecipientAccountID), ServiceEventDetails: b(ct.ServiceEventDetails), SharedEventID: t(ct.SharedEventID),
		VPCEndpointID: t(ct.VPCEndpointID), VPCEndpointAccountID: t(ct.VPCEndpointAccountID), EventCategory: t(ct.EventCategory),
		SessionCredentialFromConsole: t(ct.SessionCredentialFromConsole), EdgeDeviceDetails: b(ct.EdgeDeviceDetails),
		ManagementEvent: t(ct.ManagementEvent), InsightDetails: b(ct.InsightDetails), EventContext: b(ct.EventContext),
	}
	f.row.EventTime, _ = e.Text(ct.EventTime)
	if extra := e.Extra(); extra != nil {
		f.extra = text(extra)
		f.row.Extra = &f.extra
	}
	if e.Blob(ct.Addendum) != nil {
		f.addendum = export.Addendum{Reason: t(ct.AddendumReason), UpdatedFields: t(ct.AddendumUpdatedFields),
			OriginalRequestID: t(ct.AddendumOriginalRequestID), OriginalEventID: t(ct.AddendumOriginalEventID)}
		f.row.Addendum = &f.addendum
	}
	if e.Blob(ct.TLSDetails) != nil {
		f.tls = export.TLSDetails{TLSVersion: t(ct.TLSVersion), CipherSuite: t(ct.TLSCipherSuite), ClientProvidedHostHeader: t(ct.TLSHostHeader)}
		f.row.TLSDetails = &f.tls
	}
}

// user is the identity, nil where the record has none.
func (f *rowForm) user(e *ct.Event) *export.UserIdentity {
	if e.Blob(ct.UserIdentity) == nil {
		return nil
	}
	t := func(field ct.Field) *string { return f.scalar(e, field) }
	f.identity = export.UserIdentity{
		Type: t(ct.IdentityType), PrincipalID: t(ct.IdentityPrincipalID), ARN: t(ct.IdentityARN), AccountID: t(ct.IdentityAccountID),
		InvokedBy: t(ct.IdentityInvokedBy), AccessKeyID: t(ct.IdentityAccessKeyID), UserName: t(ct.IdentityUserName),
		SessionContext: f.sessionContext(e), CredentialID: t(ct.IdentityCredentialID), IdentityProvider: t(ct.IdentityProvider),
	}
	f.behalf = export.OnBehalfOf{UserID: t(ct.OnBehalfOfUserID), IdentityStoreARN: t(ct.OnBehalfOfStoreARN)}
	if f.behalf != (export.OnBehalfOf{}) {
		f.identity.OnBehalfOf = &f.behalf
	}
	f.delegate.AccountID = t(ct.DelegateAccountID)
	if f.delegate.AccountID != nil {
		f.identity.InvokedByDelegate = &f.delegate
	}
	f.scope = export.InScopeOf{SourceARN: t(ct.InScopeOfSourceARN), SourceAccount: t(ct.InScopeOfSourceAccount),
		IssuerType: t(ct.InScopeOfIssuerType), CredentialsIssuedTo: t(ct.InScopeOfCredentialsIssuedTo)}
	if f.scope != (export.InScopeOf{}) {
		f.identity.InScopeOf = &f.scope
	}
	return &f.identity
}

// sessionContext is nil where the record shows none.
func (f *rowForm) sessionContext(e *ct.Event) *export.SessionContext {
	t := func(field ct.Field) *string { return f.scalar(e, field) }
	f.session = export.SessionContext{EC2RoleDelivery: t(ct.EC2RoleDelivery), SourceIdentity: t(ct.SourceIdentity), AssumedRoot: t(ct.AssumedRoot)}
	f.attributes = export.SessionAttributes{MFAAuthenticated: t(ct.MFAAuthenticated), CreationDate: t(ct.SessionCreationDate)}
	if f.attributes != (export.SessionAttributes{}) {
		f.session.Attributes = &f.attributes
	}
	f.issuer = export.SessionIssuer{Type: t(ct.IssuerType), PrincipalID: t(ct.IssuerPrincipalID), ARN: t(ct.IssuerARN),
		AccountID: t(ct.IssuerAccountID), UserName: t(ct.IssuerUserName)}
	if f.issuer != (export.SessionIssuer{}) {
		f.session.SessionIssuer = &f.issuer
	}
	f.web = export.WebIDFederationData{FederatedProvider: t(ct.FederatedProvider), Attributes: pairs(e.BlobTree(ct.FederatedAttributes))}
	if f.web.FederatedProvider != nil || f.web.Attributes != nil {
		f.session.WebIDFederationData = &f.web
	}
	if f.session == (export.SessionContext{}) {
		return nil
	}
	return &f.session
}

func (f *rowForm) scalar(e *ct.Event, field ct.Field) *string {
	s, ok := e.Text(field)
	if !ok {
		return nil
	}
	f.text[field] = s
	return &f.text[field]
}

func (f *rowForm) blob(e *ct.Event, blob ct.Blob) *string {
	b := e.Blob(blob)
	if b == nil {
		return nil
	}
	f.blobs[blob] = text(b)
	return &f.blobs[blob]
}

// resources is the record's own list of what it touched.
func (f *rowForm) list(e *ct.Event) []*export.EventResource {
	list := e.BlobTree(ct.Resources)
	if list == nil {
		return nil
	}
	n := list.Len()
	f.resources, f.named = slices.Grow(f.resources[:0], n)[:n], slices.Grow(f.named[:0], 3*n)[:3*n]
	f.listed = slices.Grow(f.listed[:0], max(1, n)) // an empty list is not nil
	for i := range n {
		v, r, to := list.Index(i), &f.resources[i], f.named[3*i:]
		if v.Kind() != '{' {
			f.listed = append(f.listed, nil)
			continue
		}
		*r = export.EventResource{ARN: member(v, &to[0], "ARN", "arn"), AccountID: member(v, &to[1], "accountId"), Type: member(v, &to[2], "type")}
		f.listed = append(f.listed, r)
	}
	return f.listed
}

// member is a scalar under the first of the names that has one, put at to.
func member(v *ct.Value, to *string, names ...string) *string {
	for _, n := range names {
		if s, ok := v.Get(n).Text(); ok {
			*to = s
			return to
		}
	}
	return nil
}

// pairs reads an object of scalars.
func pairs(v *ct.Value) map[string]string {
	if v == nil {
		return nil
	}
	out := map[string]string{}
	for name, value := range v.Members() {
		if s, ok := value.Text(); ok {
			out[name] = s
		}
	}
	return out
}

// known is nil for what is not known.
func known(s *string) *string {
	if *s == "" {
		return nil
	}
	return s
}

// optional is a copy of s, nil for "".
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// text views bytes of an event, which never change, as a string.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
