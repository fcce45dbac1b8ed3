package alert

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const minute = time.Minute

// Rate is how many messages a sink takes in a time.
type Rate struct {
	Count int // 0: as many as come
	Per   time.Duration
}

var units = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}

// parseRate reads "60/m".
func parseRate(text string) (Rate, bool) {
	number, unit, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(strings.TrimSpace(number))
	per := units[strings.TrimSpace(unit)]
	return Rate{n, per}, err == nil && n > 0 && per > 0
}

// String is the rate as the sinks file has it.
func (r Rate) String() string {
	for unit, per := range units {
		if r.Per == per {
			return fmt.Sprintf("%d/%s", r.Count, unit)
		}
	}
	return "-"
}
