package export

import "testing"

func TestActorName(t *testing.T) {
	const here = "111122223333"
	for root, want := range map[string]string{
		"arn:aws:iam::111122223333:user/ann":         "user/ann",
		"arn:aws:iam::111122223333:user/teams/a/ann": "user/ann", // a name is unique without its path
		"arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0123456789abcdef": "role/AWSReservedSSO_Admin_0123456789abcdef",
		"arn:aws:iam::444455556666:role/deploy":                      "role/deploy of account 444455556666", // somebody from elsewhere must not look like one's own
		"arn:aws-cn:iam::111122223333:root":                          "root",
		"arn:aws:sts::111122223333:assumed-role/deploy/with/slashes": "assumed-role/deploy/with/slashes",
		"saml:h7Qp2k9Vd0=/ann@example.com":                           "saml:h7Qp2k9Vd0=/ann@example.com",
		"lambda.amazonaws.com":                                       "lambda.amazonaws.com",
		"arn:aws:iam":                                                "arn:aws:iam",
		"":                                                           "",
	} {
		if got := ActorName(root, here); got != want {
			t.Errorf("%s is called %q, want %q", root, got, want)
		}
	}
}

func TestResourceName(t *testing.T) {
	for key, want := range map[string]string{
		"111122223333/eu-west-1/AWS::EC2::SecurityGroup/sg-1":         "security group sg-1",
		"111122223333/eu-west-1/AWS::RDS::DBInstance/orders":          "DB instance orders",
		"111122223333/global/AWS::IAM::User/ann":                      "user ann",
		"111122223333/eu-west-1/AWS::EC2::EIP/eipalloc-1":             "EIP eipalloc-1",
		"111122223333/eu-west-1/AWS::SecretsManager::Secret/a/b":      "secret a/b", // ids may hold slashes
		"111122223333/eu-west-1/AWS::Lambda::Permission/orders/allow": "permission orders/allow",
		"no key": "no key",
		"":       "",
	} {
		if got := ResourceName(key); got != want {
			t.Errorf("%s is called %q, want %q", key, got, want)
		}
	}
}
