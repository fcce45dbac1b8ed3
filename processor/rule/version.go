package rule

import (
	"fmt"
	"strings"
)

// decides is a canonical text of what decides beside the selection; "" for
// rules of single events.
func (r *Rule) decides() string {
	switch {
	case r.Correlation != nil:
		return r.correlationText()
	case r.overResources:
		return "over resources"
	case r.Baseline != nil, r.FirstSeen != nil:
		return r.modelText()
	case r.Asset != nil:
		return fmt.Sprint("asset ", r.Asset.Types, r.Asset.Before, r.Asset.when)
	}
	return ""
}

// correlationText names all that a window depends on, the versions of the
// parts included.
func (r *Rule) correlationText() string {
	words := []string{r.Correlation.Decides()}
	for _, p := range r.Parts {
		words = append(words, p.Rule.stateHash())
	}
	return strings.Join(words, "\x01")
}

func (r *Rule) raiseText() string {
	if r.raise == nil {
		return ""
	}
	return r.raise.String()
}
