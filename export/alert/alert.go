package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/cairnstream/cairn/export"
)

// Alert is a rendered message about a step of a finding to one sink. Its fields
// are those of a row of a shard's outbox.
type Alert struct {
	ID      string `json:"id"` // the same whenever it is sent: 32 hex digits
	Sink    string `json:"sink"`
	Finding string `json:"finding"` // its id
	Time    int64  `json:"time"`    // of the step, event time, ms since 1970
	Body    []byte `json:"body"`    // see body; made once and sent as it is
}

// body is what an alert keeps beside its id: the payload as it is sent, and
// what a sink wants to know without reading the payload.
type body struct {
	Kind     string `json:"kind"` // of the sink that it was rendered for
	Step     string `json:"step"`
	Severity string `json:"severity"`
	Rule     string `json:"rule"` // its id
	Title    string `json:"title"`
	Account  string `json:"account,omitzero"`
	Region   string `json:"region,omitzero"`
	Tactic   string `json:"tactic,omitzero"`
	Status   string `json:"status,omitzero"`
	RuleKind string `json:"rule_kind,omitzero"`
	Payload  string `json:"payload"`
	Letter   string `json:"letter,omitzero"` // the same in words, for a kind that people may read as e-mail
	Short    string `json:"short,omitzero"`  // and for a telephone
}

func (b *body) encode() ([]byte, error) {
	data, err := json.Marshal(b, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encode an alert: %w", err)
	}
	return data, nil
}

func decodeBody(data []byte) (b body, err error) {
	if err := json.Unmarshal(data, &b); err != nil {
		return b, fmt.Errorf("decode an alert: %w", err)
	}
	return b, nil
}

// ID is the id of what a sink is told of a step: a hash of the finding, the
// sink and the step. A finding has one start and one end, but can have several
// updates; what brought them about tells them apart.
func ID(sink string, r *export.FindingRow) string {
	parts := []string{r.FindingID, sink, stepOf(r)}
	if parts[2] == "update" {
		parts = append(parts, r.Severity, r.TriggerEventID, strconv.FormatInt(r.EventCount, 10))
	}
	return hash(parts...)
}

func hash(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// stepOf is where the finding stands in its life.
func stepOf(r *export.FindingRow) string {
	if r.StateReason == nil {
		return "start"
	}
	return *r.StateReason
}
