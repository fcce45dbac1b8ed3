package export

import (
	"strings"
	"unicode"
)

// ActorName is a principal as people call it: kind and name of its ARN, with
// the account only where that is another one than given. The path of a name,
// which IAM does not need to tell names apart, is left out. What is no ARN is
// returned as it is.
func ActorName(root, account string) string {
	parts := strings.SplitN(root, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return root
	}
	name := parts[5]
	kind, rest, _ := strings.Cut(name, "/")
	if kind == "user" || kind == "role" || kind == "group" {
		name = kind + "/" + rest[strings.LastIndexByte(rest, '/')+1:]
	}
	if parts[4] != "" && parts[4] != account {
		name += " of account " + parts[4]
	}
	return name
}

// ResourceName is a resource as people call it, of its key in the inventory:
// "security group sg-1" of "111122223333/eu-west-1/AWS::EC2::SecurityGroup/sg-1".
func ResourceName(key string) string {
	parts := strings.SplitN(key, "/", 4)
	if len(parts) < 4 {
		return key
	}
	kind := parts[2][strings.LastIndexByte(parts[2], ':')+1:]
	return inWords(kind) + " " + parts[3]
}

// inWords takes a name such as DBInstance apart: "DB instance".
func inWords(name string) string {
	letters := []rune(name)
	var b strings.Builder
	begin := 0
	for i := 1; i <= len(letters); i++ {
		if i < len(letters) && !begins(letters, i) {
			continue
		}
		word := string(letters[begin:i])
		if begin > 0 {
			b.WriteByte(' ')
		}
		if strings.ToUpper(word) != word || len(word) == 1 {
			word = strings.ToLower(word)
		}
		b.WriteString(word)
		begin = i
	}
	return b.String()
}

// begins tells whether a word does at a letter: at a capital behind a small
// letter, and at the last of several capitals before one.
func begins(letters []rune, i int) bool {
	return unicode.IsUpper(letters[i]) && (unicode.IsLower(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1]))
}
