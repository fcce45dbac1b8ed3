package cloudtrail

// Field names a scalar member of a record: one that has a column of its own in
// the lake, or that rules often ask for. The zero Field is EventVersion.
type Field uint8

// The scalar members. Path gives the name that each has in a record.
const (
	EventVersion Field = iota
	EventTime
	EventSource
	EventName
	AWSRegion
	SourceIPAddress
	UserAgent
	ErrorCode
	ErrorMessage
	RequestID
	EventID
	ReadOnly
	EventType
	APIVersion
	RecipientAccountID
	SharedEventID
	VPCEndpointID
	VPCEndpointAccountID
	EventCategory
	SessionCredentialFromConsole
	ManagementEvent
	IdentityType
	IdentityPrincipalID
	IdentityARN
	IdentityAccountID
	IdentityInvokedBy
	IdentityAccessKeyID
	IdentityUserName
	IdentityCredentialID
	IdentityProvider
	MFAAuthenticated
	SessionCreationDate
	IssuerType
	IssuerPrincipalID
	IssuerARN
	IssuerAccountID
	IssuerUserName
	EC2RoleDelivery
	SourceIdentity
	AssumedRoot
	FederatedProvider
	OnBehalfOfUserID
	OnBehalfOfStoreARN
	DelegateAccountID
	InScopeOfSourceARN
	InScopeOfSourceAccount
	InScopeOfIssuerType
	InScopeOfCredentialsIssuedTo
	TLSVersion
	TLSCipherSuite
	TLSHostHeader
	AddendumReason
	AddendumUpdatedFields
	AddendumOriginalRequestID
	AddendumOriginalEventID

	NumFields // the number of fields, not a field
)

// fieldPaths spells the members exactly as CloudTrail does; the case counts.
var fieldPaths = [NumFields]string{
	EventVersion:                 "eventVersion",
	EventTime:                    "eventTime",
	EventSource:                  "eventSource",
	EventName:                    "eventName",
	AWSRegion:                    "awsRegion",
	SourceIPAddress:              "sourceIPAddress",
	UserAgent:                    "userAgent",
	ErrorCode:                    "errorCode",
	ErrorMessage:                 "errorMessage",
	RequestID:                    "requestID",
	EventID:                      "eventID",
	ReadOnly:                     "readOnly",
	EventType:                    "eventType",
	APIVersion:                   "apiVersion",
	RecipientAccountID:           "recipientAccountId",
	SharedEventID:                "sharedEventID",
	VPCEndpointID:                "vpcEndpointId",
	VPCEndpointAccountID:         "vpcEndpointAccountId",
	EventCategory:                "eventCategory",
	SessionCredentialFromConsole: "sessionCredentialFromConsole",
	ManagementEvent:              "managementEvent",
	IdentityType:                 "userIdentity.type",
	IdentityPrincipalID:          "userIdentity.principalId",
	IdentityARN:                  "userIdentity.arn",
	IdentityAccountID:            "userIdentity.accountId",
	IdentityInvokedBy:            "userIdentity.invokedBy",
	IdentityAccessKeyID:          "userIdentity.accessKeyId",
	IdentityUserName:             "userIdentity.userName",
	IdentityCredentialID:         "userIdentity.credentialId",
	IdentityProvider:             "userIdentity.identityProvider",
	MFAAuthenticated:             "userIdentity.sessionContext.attributes.mfaAuthenticated",
	SessionCreationDate:          "userIdentity.sessionContext.attributes.creationDate",
	IssuerType:                   "userIdentity.sessionContext.sessionIssuer.type",
	IssuerPrincipalID:            "userIdentity.sessionContext.sessionIssuer.principalId",
	IssuerARN:                    "userIdentity.sessionContext.sessionIssuer.arn",
	IssuerAccountID:              "userIdentity.sessionContext.sessionIssuer.accountId",
	IssuerUserName:               "userIdentity.sessionContext.sessionIssuer.userName",
	EC2RoleDelivery:              "userIdentity.sessionContext.ec2RoleDelivery",
	SourceIdentity:               "userIdentity.sessionContext.sourceIdentity",
	AssumedRoot:                  "userIdentity.sessionContext.assumedRoot",
	FederatedProvider:            "userIdentity.sessionContext.webIdFederationData.federatedProvider",
	OnBehalfOfUserID:             "userIdentity.onBehalfOf.userId",
	OnBehalfOfStoreARN:           "userIdentity.onBehalfOf.identityStoreArn",
	DelegateAccountID:            "userIdentity.invokedByDelegate.accountId",
	InScopeOfSourceARN:           "userIdentity.inScopeOf.sourceArn",
	InScopeOfSourceAccount:       "userIdentity.inScopeOf.sourceAccount",
	InScopeOfIssuerType:          "userIdentity.inScopeOf.issuerType",
	InScopeOfCredentialsIssuedTo: "userIdentity.inScopeOf.credentialsIssuedTo",
	TLSVersion:                   "tlsDetails.tlsVersion",
	TLSCipherSuite:               "tlsDetails.cipherSuite",
	TLSHostHeader:                "tlsDetails.clientProvidedHostHeader",
	AddendumReason:               "addendum.reason",
	AddendumUpdatedFields:        "addendum.updatedFields",
	AddendumOriginalRequestID:    "addendum.originalRequestID",
	AddendumOriginalEventID:      "addendum.originalEventID",
}

// Path returns the dotted path of the member, such as
// "userIdentity.sessionContext.sessionIssuer.arn"; "" for a value that is no Field.
func (f Field) Path() string {
	if f >= NumFields {
		return ""
	}
	return fieldPaths[f]
}

// String returns Path.
func (f Field) String() string { return f.Path() }

var fieldsByPath = indexPaths[Field](fieldPaths[:])

// FieldByPath finds the Field of a dotted path. The case counts.
func FieldByPath(path string) (Field, bool) {
	f, ok := fieldsByPath[path]
	return f, ok
}

// Blob names a member without a fixed shape, kept as JSON text.
type Blob uint8

// The members that are kept as JSON text. UserIdentity, TLSDetails and Addendum
// are also taken apart into Fields.
const (
	UserIdentity Blob = iota
	RequestParameters
	ResponseElements
	AdditionalEventData
	ServiceEventDetails
	Resources
	InsightDetails
	EventContext
	EdgeDeviceDetails
	Addendum
	TLSDetails
	FederatedAttributes

	NumBlobs // the number of blobs, not a blob
)

var blobPaths = [NumBlobs]string{
	UserIdentity:        "userIdentity",
	RequestParameters:   "requestParameters",
	ResponseElements:    "responseElements",
	AdditionalEventData: "additionalEventData",
	ServiceEventDetails: "serviceEventDetails",
	Resources:           "resources",
	InsightDetails:      "insightDetails",
	EventContext:        "eventContext",
	EdgeDeviceDetails:   "edgeDeviceDetails",
	Addendum:            "addendum",
	TLSDetails:          "tlsDetails",
	FederatedAttributes: "userIdentity.sessionContext.webIdFederationData.attributes",
}

// Path returns the dotted path of the member; "" for a value that is no Blob.
func (b Blob) Path() string {
	if b >= NumBlobs {
		return ""
	}
	return blobPaths[b]
}

// String returns Path.
func (b Blob) String() string { return b.Path() }

var blobsByPath = indexPaths[Blob](blobPaths[:])

// BlobByPath finds the Blob of a dotted path. The case counts.
func BlobByPath(path string) (Blob, bool) {
	b, ok := blobsByPath[path]
	return b, ok
}

func indexPaths[T ~uint8](paths []string) map[string]T {
	index := make(map[string]T, len(paths))
	for i, p := range paths {
		index[p] = T(i)
	}
	return index
}
