package resource

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

// boolean turns the words with which services switch things into "true" and "false"; anything else is absent.
func boolean(text string) string {
	switch strings.ToLower(text) {
	case "true", "1", "yes", "on", "enabled", "enable":
		return "true"
	case "false", "0", "no", "off", "disabled", "disable", "suspended":
		return "false"
	}
	return ""
}

// digest stands in for a document that the catalogue must not copy: equal documents have equal digests.
func digest(it item) string {
	data := []byte(it.text())
	if it.value != nil && len(data) == 0 {
		data = it.value.Raw()
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:16])
}

// policyPublic reads a policy, an object or JSON text (percent-encoded or not), and says "true" when a statement allows
// something to everyone without a condition. A text that is no policy says nothing.
func policyPublic(it item) string {
	policy := it.value
	if text := it.text(); text != "" {
		var err error
		if policy, err = cloudtrail.ParseValue([]byte(unescape(text))); err != nil {
			return ""
		}
	}
	if policy.Kind() != '{' {
		return ""
	}
	for _, st := range walk(nil, item{value: policy}, []step{{"Statement", true}}) {
		if allowsEveryone(st.value) {
			return "true"
		}
	}
	return "false"
}

func unescape(text string) string {
	if !strings.HasPrefix(text, "%") {
		return text
	}
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

func allowsEveryone(statement *cloudtrail.Value) bool {
	effect, _ := statement.Get("Effect").Text()
	if effect != "Allow" || statement.Get("Condition").Len() > 0 {
		return false
	}
	principal := statement.Get("Principal")
	return everyone(principal) || everyone(principal.Get("AWS"))
}

func everyone(principal *cloudtrail.Value) bool {
	if t, _ := principal.Text(); t == "*" {
		return true
	}
	for p := range principal.Items() {
		if t, _ := p.Text(); t == "*" {
			return true
		}
	}
	return false
}
