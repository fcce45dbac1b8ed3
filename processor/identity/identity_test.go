package identity

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

func TestResolve(t *testing.T) {
	const role = "arn:aws:iam::111122223333:role/path/deploy"
	tests := []struct {
		name, identity string
		want           Actor
	}{
		{"a user is its own root, whatever key it used",
			`{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/eve","principalId":"AIDA1","accessKeyId":"ASIA1"}`,
			Actor{Root: "arn:aws:iam::111122223333:user/eve", Complete: true}},
		{"root without an ARN is its principal",
			`{"type":"Root","principalId":"111122223333"}`,
			Actor{Root: "111122223333", Complete: true}},
		{"a person in the console is no service",
			`{"type":"IAMUser","arn":"arn:u","invokedBy":"signin.amazonaws.com"}`,
			Actor{Root: "arn:u", Complete: true}},
		{"a service on behalf of a user",
			`{"type":"IAMUser","arn":"arn:u","invokedBy":"cloudformation.amazonaws.com"}`,
			Actor{Root: "arn:u", Via: "cloudformation.amazonaws.com", Complete: true}},
		{"a service",
			`{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}`,
			Actor{Root: "service:ec2.amazonaws.com", Complete: true}},
		{"no type but invokedBy is a service",
			`{"invokedBy":"backup.amazonaws.com"}`,
			Actor{Root: "service:backup.amazonaws.com", Complete: true}},
		{"a role session without its issuing call is its role, not complete",
			`{"type":"AssumedRole","principalId":"AROA1:build-7","arn":"arn:aws:sts::111122223333:assumed-role/deploy/build-7","sessionContext":{"sessionIssuer":{"arn":"` + role + `"}}}`,
			Actor{Root: role, Role: role, Session: "build-7"}},
		{"a source identity is evidence, the chain stays open",
			`{"type":"AssumedRole","principalId":"AROA1:x","sessionContext":{"sourceIdentity":"eve","sessionIssuer":{"arn":"` + role + `"}}}`,
			Actor{Root: "source:eve", Role: role, Session: "x"}},
		{"a session without an issuer keeps the role of its ARN",
			`{"type":"AssumedRole","principalId":"AROA1:x","arn":"arn:aws-cn:sts::111122223333:assumed-role/deploy/x"}`,
			Actor{Root: "arn:aws-cn:iam::111122223333:role/deploy", Role: "arn:aws-cn:iam::111122223333:role/deploy", Session: "x"}},
		{"a person of the identity centre behind a role",
			`{"type":"AssumedRole","principalId":"AROA1:x","onBehalfOf":{"userId":"u-1","identityStoreArn":"arn:store"},"sessionContext":{"sessionIssuer":{"arn":"` + role + `"}}}`,
			Actor{Root: "idc:arn:store/u-1", Role: role, Session: "x", Complete: true}},
		{"web identity by provider and user",
			`{"type":"WebIdentityUser","principalId":"accounts.example.com:app:eve","userName":"eve","identityProvider":"accounts.example.com"}`,
			Actor{Root: "web:accounts.example.com/eve", Complete: true}},
		{"saml without a provider falls back to the principal",
			`{"type":"SAMLUser","principalId":"abc:eve@example.com","userName":"eve"}`,
			Actor{Root: "saml:abc:eve@example.com", Complete: true}},
		{"a caller in another account",
			`{"type":"AWSAccount","accountId":"444455556666","principalId":"AIDA9"}`,
			Actor{Root: "account:444455556666/AIDA9"}},
		{"nobody", `{}`, Actor{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := cloudtrail.Parse([]byte(`{"eventID":"e","eventTime":"2026-03-01T10:00:00Z","eventName":"X","userIdentity":` + tt.identity + `}`))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, Resolve(e)); diff != "" {
				t.Errorf("Resolve (-want +got):\n%s", diff)
			}
		})
	}
}
