package alert

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/cairnstream/cairn/export"
)

// withheld stands for what is not for messages.
const withheld = "(withheld)"

// secretName are names of members of a record that hold keys. Ids of access
// keys are no secrets, and without them nobody can revoke a key.
var secretName = regexp.MustCompile(`(?i)secret(?:access)?key|passw(?:or)?d(?:data|hash|s)?$|sessiontoken|authtoken|bearertoken|accesstoken|refreshtoken|idtoken|webidentitytoken|samlassertion|privatekey|keymaterial|plaintext|secretstring|secretbinary|clientsecret|credentialsecret|^token$|^secret$|^certificatebody$`)

// secretText are texts that are keys wherever they stand: PEM, and session
// tokens of AWS, which begin with one of a few words.
var secretText = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?|\b(?:IQoJb3JpZ2lu|FwoGZXIvYXdz|AQoDYXdz)[A-Za-z0-9+/=_-]{20,}`)

// secretMarks are what a secretText holds in any case. To look for them first
// is a hundred times as fast.
var secretMarks = []string{"-----BEGIN", "IQoJb3JpZ2lu", "FwoGZXIvYXdz", "AQoDYXdz"}

// safe takes what may be a key out of a text, and what could make a message
// look like another one.
func safe(text string) string {
	text = strings.TrimSpace(export.Plain(text))
	for _, mark := range secretMarks {
		if strings.Contains(text, mark) {
			return secretText.ReplaceAllString(text, withheld)
		}
	}
	return text
}

func isSecretName(name string) bool { return len(name) <= maxName && secretName.MatchString(name) }

// safeValue is the value of a field for a message.
func safeValue(path, value string) string {
	if isSecretName(path[strings.LastIndexByte(path, '.')+1:]) {
		return withheld
	}
	if strings.HasPrefix(value, "{") || strings.HasPrefix(value, "[") {
		if clean, err := safeJSON(value); err == nil {
			value = clean
		}
	}
	return safe(value)
}

// safeJSON withholds the members of an object, at any depth, whose names tell
// that they are keys.
func safeJSON(text string) (string, error) {
	var out bytes.Buffer
	in, to := jsontext.NewDecoder(strings.NewReader(text), jsontext.AllowDuplicateNames(true)), jsontext.NewEncoder(&out, jsontext.AllowDuplicateNames(true))
	for {
		t, err := in.ReadToken()
		if errors.Is(err, io.EOF) {
			return strings.TrimSuffix(out.String(), "\n"), nil
		}
		if err != nil {
			return "", err
		}
		kind, n := in.StackIndex(in.StackDepth())
		name := t.Kind() == '"' && kind == '{' && n%2 == 1
		hidden := name && isSecretName(t.String())
		if err := to.WriteToken(t.Clone()); err != nil {
			return "", err
		}
		if !hidden {
			continue
		}
		if err := in.SkipValue(); err != nil {
			return "", err
		}
		if err := to.WriteToken(jsontext.String(withheld)); err != nil {
			return "", err
		}
	}
}
