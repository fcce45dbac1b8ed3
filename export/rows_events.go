package export

// All times of all rows are milliseconds since 1970-01-01 UTC. A nullable
// scalar or struct is a pointer. A nil slice or map of a nullable column is
// NULL, an empty one is empty; in a required column both are empty.

// EventRow is one CloudTrail event: one row of the table events. Strings may
// alias the payload that they came from.
type EventRow struct {
	EventVersion                 *string          `parquet:"eventversion,dict"`
	UserIdentity                 *UserIdentity    `parquet:"useridentity"`
	EventTime                    string           `parquet:"eventtime"` // as written: published queries compare text
	EventSource                  *string          `parquet:"eventsource,dict"`
	EventName                    *string          `parquet:"eventname,dict"`
	AWSRegion                    *string          `parquet:"awsregion,dict"`
	SourceIPAddress              *string          `parquet:"sourceipaddress,dict"`
	UserAgent                    *string          `parquet:"useragent,dict"`
	ErrorCode                    *string          `parquet:"errorcode,dict"`
	ErrorMessage                 *string          `parquet:"errormessage"`
	RequestParameters            *string          `parquet:"requestparameters"`   // JSON text
	ResponseElements             *string          `parquet:"responseelements"`    // JSON text
	AdditionalEventData          *string          `parquet:"additionaleventdata"` // JSON text
	RequestID                    *string          `parquet:"requestid"`
	EventID                      string           `parquet:"eventid"`
	ReadOnly                     *string          `parquet:"readonly,dict"` // "true" or "false"
	Resources                    []*EventResource `parquet:"resources,list,optional"`
	EventType                    *string          `parquet:"eventtype,dict"`
	APIVersion                   *string          `parquet:"apiversion,dict"`
	RecipientAccountID           *string          `parquet:"recipientaccountid,dict"`
	ServiceEventDetails          *string          `parquet:"serviceeventdetails"` // JSON text
	SharedEventID                *string          `parquet:"sharedeventid"`
	VPCEndpointID                *string          `parquet:"vpcendpointid,dict"`
	VPCEndpointAccountID         *string          `parquet:"vpcendpointaccountid,dict"`
	EventCategory                *string          `parquet:"eventcategory,dict"`
	Addendum                     *Addendum        `parquet:"addendum"`
	SessionCredentialFromConsole *string          `parquet:"sessioncredentialfromconsole,dict"` // "true"
	EdgeDeviceDetails            *string          `parquet:"edgedevicedetails"`                 // JSON text
	TLSDetails                   *TLSDetails      `parquet:"tlsdetails"`
	ManagementEvent              *string          `parquet:"managementevent,dict"` // "true" or "false"
	InsightDetails               *string          `parquet:"insightdetails"`       // JSON text
	EventContext                 *string          `parquet:"eventcontext"`         // JSON text
	Extra                        *string          `parquet:"extra"`                // JSON object of what has no column
	EventTS                      int64            `parquet:"event_ts,timestamp"`
	ArrivalTS                    int64            `parquet:"arrival_ts,timestamp"`
	Late                         bool             `parquet:"late"`
	AccountAlias                 *string          `parquet:"account_alias,dict"`
	ActorRoot                    *string          `parquet:"actor_root,dict"`
	ActorRole                    *string          `parquet:"actor_role,dict"`
	ActorSession                 *string          `parquet:"actor_session,dict"`
	ActorComplete                bool             `parquet:"actor_complete"`
	FindingIDs                   []string         `parquet:"finding_ids,list,optional" parquet-element:",dict"`
	Shard                        string           `parquet:"shard,dict"`
	Sequence                     string           `parquet:"sequence"` // padded to 56 digits
	Ordinal                      int32            `parquet:"ordinal"`
}

// UserIdentity is who made the request. The members after OnBehalfOf follow
// the published table, then come those that it lacks.
type UserIdentity struct {
	Type              *string            `parquet:"type,dict"`
	PrincipalID       *string            `parquet:"principalid,dict"`
	ARN               *string            `parquet:"arn,dict"`
	AccountID         *string            `parquet:"accountid,dict"`
	InvokedBy         *string            `parquet:"invokedby,dict"`
	AccessKeyID       *string            `parquet:"accesskeyid"`
	UserName          *string            `parquet:"username,dict"`
	OnBehalfOf        *OnBehalfOf        `parquet:"onbehalfof"`
	SessionContext    *SessionContext    `parquet:"sessioncontext"`
	InvokedByDelegate *InvokedByDelegate `parquet:"invokedbydelegate"`
	InScopeOf         *InScopeOf         `parquet:"inscopeof"`
	CredentialID      *string            `parquet:"credentialid,dict"`
	IdentityProvider  *string            `parquet:"identityprovider,dict"`
}

// OnBehalfOf is the Identity Center user for whom a service acted.
type OnBehalfOf struct {
	UserID           *string `parquet:"userid,dict"`
	IdentityStoreARN *string `parquet:"identitystorearn,dict"`
}

// SessionContext describes temporary credentials.
type SessionContext struct {
	Attributes          *SessionAttributes   `parquet:"attributes"`
	SessionIssuer       *SessionIssuer       `parquet:"sessionissuer"`
	EC2RoleDelivery     *string              `parquet:"ec2roledelivery,dict"`
	WebIDFederationData *WebIDFederationData `parquet:"webidfederationdata"`
	SourceIdentity      *string              `parquet:"sourceidentity,dict"`
	AssumedRoot         *string              `parquet:"assumedroot,dict"`
}

// SessionAttributes are MFA and age of the temporary credentials.
type SessionAttributes struct {
	MFAAuthenticated *string `parquet:"mfaauthenticated,dict"`
	CreationDate     *string `parquet:"creationdate,dict"`
}

// SessionIssuer is the role or user from which the credentials were had.
type SessionIssuer struct {
	Type        *string `parquet:"type,dict"`
	PrincipalID *string `parquet:"principalid,dict"`
	ARN         *string `parquet:"arn,dict"`
	AccountID   *string `parquet:"accountid,dict"`
	UserName    *string `parquet:"username,dict"`
}

// WebIDFederationData names the identity provider of a federated session.
type WebIDFederationData struct {
	FederatedProvider *string           `parquet:"federatedprovider,dict"`
	Attributes        map[string]string `parquet:"attributes,optional"`
}

// InvokedByDelegate is the account of the product that a delegate acts for.
type InvokedByDelegate struct {
	AccountID *string `parquet:"accountid,dict"`
}

// InScopeOf is the service resource for which credentials were issued.
type InScopeOf struct {
	SourceARN           *string `parquet:"sourcearn,dict"`
	SourceAccount       *string `parquet:"sourceaccount,dict"`
	IssuerType          *string `parquet:"issuertype,dict"`
	CredentialsIssuedTo *string `parquet:"credentialsissuedto,dict"`
}

// EventResource is one entry of the record's own list of resources.
type EventResource struct {
	ARN       *string `parquet:"arn"`
	AccountID *string `parquet:"accountid,dict"`
	Type      *string `parquet:"type,dict"`
}

// Addendum says what a corrected record corrects.
type Addendum struct {
	Reason            *string `parquet:"reason"`
	UpdatedFields     *string `parquet:"updatedfields"`
	OriginalRequestID *string `parquet:"originalrequestid"`
	OriginalEventID   *string `parquet:"originaleventid"`
}

// TLSDetails describes the connection that carried the request.
type TLSDetails struct {
	TLSVersion               *string `parquet:"tlsversion,dict"`
	CipherSuite              *string `parquet:"ciphersuite,dict"`
	ClientProvidedHostHeader *string `parquet:"clientprovidedhostheader,dict"`
}
